// Package space is the search space: parameters, conditions, constraints, and
// the operations that every algorithm shares, so that none invents its own.
// docs/guide/space.md describes it to users.
//
// It is a leaf: it imports api/types and the parser of the expression library
// only.
//
// # Points
//
// A Point has a value for each parameter in the order of the space, nil where
// the parameter is inactive. Values keep their type: int64 for Int, float64
// for Float, bool for Bool, and the choice's own type for the other kinds. No
// value is NaN, infinite or a negative zero.
//
// # The unit cube
//
// Decode lays the scaled range of each parameter on [0,1]. A discrete
// parameter has cells: of equal width for choices and for linear scales; on a
// logarithmic scale a cell reaches half a step to both sides, so that the end
// cells are whole too (Optuna does the same: optuna/_transform.py). A
// continuous parameter has its ends exactly at 0 and 1.
//
// A numeric parameter of more than 2^53 values is coarser in the cube than in
// itself: a float64 has no more positions there. Its ends are still reached.
package space
