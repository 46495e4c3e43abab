"""Penalties in NumPy float64, written from their formulas alone: what operators are held against."""

import math

import numpy as np


def _norms(w, axis, size_scaling):
    axes = tuple(range(w.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    scale = math.sqrt(math.prod(w.shape[a] for a in axes)) if size_scaling else 1.0
    return scale * np.sqrt((w**2).sum(axis=axes))


def l1(w, strength):
    return strength * np.abs(w).sum()


def l2(w, strength):
    return strength / 2 * (w**2).sum()


def l0(w, strength):
    return strength * np.count_nonzero(w)


def elastic_net(w, l1, l2):
    return l1 * np.abs(w).sum() + l2 / 2 * (w**2).sum()


def group_lasso(w, strength, axis, size_scaling=True):
    return strength * _norms(w, axis, size_scaling).sum()


def sparse_group_lasso(w, l1, group, axis, size_scaling=True):
    return l1 * np.abs(w).sum() + group * _norms(w, axis, size_scaling).sum()


def l2_sp(w, strength, anchor):
    return strength / 2 * ((w - anchor) ** 2).sum()
