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


def huber(w, strength, delta):
    u = np.abs(w)
    return strength * np.where(u <= delta, u**2 / 2, delta * (u - delta / 2)).sum()


def mcp(w, strength, gamma):
    u = np.abs(w)
    return np.where(u <= gamma * strength, strength * u - u**2 / (2 * gamma), gamma * strength**2 / 2).sum()


def scad(w, strength, a):
    u = np.abs(w)
    middle = (2 * a * strength * u - u**2 - strength**2) / (2 * (a - 1))
    flat = strength**2 * (a + 1) / 2
    return np.where(u <= strength, strength * u, np.where(u <= a * strength, middle, flat)).sum()


def log_sum(w, strength, epsilon):
    return strength * np.log(1 + np.abs(w) / epsilon).sum()


def singular_values(w):
    return np.linalg.svd(w.reshape(-1, w.shape[-1]), compute_uv=False) if w.ndim > 1 else np.zeros(0)


def nuclear(w, strength):
    return strength * singular_values(w).sum()


def spectral(w, strength, bound=0.0):
    return strength / 2 * np.maximum(singular_values(w) - bound, 0).max(initial=0) ** 2


def orthogonal(w, strength):
    if w.ndim < 2:
        return 0.0
    w = w.reshape(-1, w.shape[-1])
    gram = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
    return strength * ((gram - np.eye(len(gram))) ** 2).sum()


def total_variation(w, strength, axis):
    return strength * np.abs(np.diff(w, axis=axis)).sum()


def activity(w, l1, l2):
    return elastic_net(w, l1, l2) / len(w)
