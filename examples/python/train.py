#!/usr/bin/env python3
"""Logistic regression by gradient descent, with the standard library only.

It prints one JSON line after each epoch. flush=True matters where a program is
not run by tuner, which sets PYTHONUNBUFFERED: without it Python keeps lines that
go to a file or pipe until some kilobytes are there, and nobody could end a
hopeless run early.
"""

import argparse
import json
import math
import random


def sigmoid(z):
    return 1 / (1 + math.exp(-max(-500.0, min(500.0, z))))


def make_data(n, weights, rng):
    """n points whose labels follow the weights, one in ten of them wrong."""
    points, labels = [], []
    for _ in range(n):
        x = [rng.gauss(0, 1) for _ in weights]
        label = sum(w * v for w, v in zip(weights, x)) > 0
        points.append(x)
        labels.append(label != (rng.random() < 0.1))
    return points, labels


def evaluate(w, points, labels):
    loss, wrong = 0.0, 0
    for x, label in zip(points, labels):
        p = sigmoid(sum(a * b for a, b in zip(w, x)))
        loss -= math.log(max(p if label else 1 - p, 1e-12))
        wrong += (p > 0.5) != label
    return loss / len(points), wrong / len(points)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--l2", type=float, default=1e-3)
    parser.add_argument("--momentum", type=float, default=0.0)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()

    rng = random.Random(1)
    truth = [rng.gauss(0, 1) if i < 4 else 0.0 for i in range(20)]
    train_x, train_y = make_data(100, truth, rng)
    valid_x, valid_y = make_data(500, truth, rng)

    w = [0.0] * len(truth)
    velocity = [0.0] * len(truth)
    for epoch in range(1, args.epochs + 1):
        for i in rng.sample(range(len(train_x)), len(train_x)):
            x, label = train_x[i], train_y[i]
            residual = sigmoid(sum(a * b for a, b in zip(w, x))) - label
            for k, v in enumerate(x):
                velocity[k] = args.momentum * velocity[k] - args.lr * (residual * v + args.l2 * w[k])
                w[k] += velocity[k]
        loss, error = evaluate(w, valid_x, valid_y)
        print(json.dumps({"epoch": epoch, "loss": loss, "error": error}), flush=True)


if __name__ == "__main__":
    main()
