// Package stats has the statistics by which tuners are compared. All are pure
// functions, safe for concurrent use.
//
// Sources:
//
//   - J. Demšar: Statistical comparisons of classifiers over multiple data sets.
//     JMLR 7 (2006) 1–30: mean ranks, the test of Friedman with the correction
//     of Iman and Davenport, the critical difference of Nemenyi, and its diagram.
//   - W. J. Conover: Practical nonparametric statistics, 3rd edition (1999),
//     5.7 and 5.8: the signed-rank test of Wilcoxon and that of Friedman with
//     ties.
//   - S. Holm: A simple sequentially rejective multiple test procedure.
//     Scandinavian Journal of Statistics 6 (1979) 65–70.
//   - B. Efron, R. Tibshirani: An introduction to the bootstrap (1993), 13:
//     percentile intervals.
package stats
