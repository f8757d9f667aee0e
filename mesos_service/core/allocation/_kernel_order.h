/* The order of clients: whose turn it is in the tree of roles, by share, times served and name. */

#pragma once

#include "_kernel_state.h"

static inline int
is_before(double share, int64_t served, int32_t rank, const Node *other)
{
    if (share != other->share)
        return share < other->share;
    if (served != other->served)
        return served < other->served;
    return rank < other->rank;
}

static double
divided(Kernel *self, Py_ssize_t number, const Node *node, int64_t held, int64_t total)
{
    int64_t above, below;
    if (node->numerator && !__builtin_mul_overflow(held, node->denominator, &above) && above < EXACT
        && !__builtin_mul_overflow(total, node->numerator, &below) && below < EXACT)
        return (double)above / (double)below;
    PyObject *ratio = PyList_GET_ITEM(self->weights, number);
    PyObject *one = PyLong_FromLongLong(held), *all = PyLong_FromLongLong(total), *share = NULL;
    PyObject *upper = NULL, *lower = NULL;
    if (ratio == Py_None) {
        share = one && all ? PyNumber_TrueDivide(one, all) : NULL;
    } else if (one && all) {
        upper = PyNumber_Multiply(one, PyTuple_GET_ITEM(ratio, 1));
        lower = PyNumber_Multiply(all, PyTuple_GET_ITEM(ratio, 0));
        share = upper && lower ? PyNumber_TrueDivide(upper, lower) : NULL;
    }
    double result = share ? PyFloat_AsDouble(share) : -1.0;
    Py_XDECREF(one);
    Py_XDECREF(all);
    Py_XDECREF(upper);
    Py_XDECREF(lower);
    Py_XDECREF(share);
    return result;
}

/* A client is given `vector`: it and all above it move to their new places. 0, or -1 with an error set. */
static int
serve(Kernel *self, int32_t client, const int64_t *vector)
{
    int32_t number = self->node_of[client];
    while (number >= 0) {
        Node *node = &self->node[number];
        int64_t *amounts = &self->amounts[number * self->resources];
        double share = node->share, before = node->share;
        for (Py_ssize_t r = 0; r < self->resources; r++) {
            if (!vector[r])
                continue;
            int64_t held = amounts[r] += vector[r];
            if (!self->totals[r])
                continue;
            double fraction = node->numerator == 1 && node->denominator == 1 && held < EXACT && self->totals[r] < EXACT
                ? (double)held / (double)self->totals[r]
                : divided(self, number, node, held, self->totals[r]);
            if (fraction > share)
                share = fraction;
        }
        if (PyErr_Occurred())
            return -1;
        int32_t *order = &self->order[self->begin[node->group]];
        int32_t count = self->begin[node->group + 1] - self->begin[node->group];
        int32_t low = 0, high = count;
        if (order[0] != number) {
            while (low < high) { /* the first that does not come before this node */
                int32_t middle = low + (high - low) / 2;
                const Node *other = &self->node[order[middle]];
                if (order[middle] != number && !is_before(before, node->served, node->rank, other))
                    low = middle + 1;
                else
                    high = middle;
            }
        }
        int32_t place = low;
        node->share = share;
        node->served++;
        low = place + 1;
        high = count;
        while (low < high) {
            int32_t middle = low + (high - low) / 2;
            if (is_before(share, node->served, node->rank, &self->node[order[middle]]))
                high = middle;
            else
                low = middle + 1;
        }
        memmove(&order[place], &order[place + 1], (size_t)(low - 1 - place) * sizeof(int32_t));
        order[low - 1] = number;
        number = self->owner[node->group];
    }
    return 0;
}

static inline int
is_wanted(const Kernel *self, const Node *node)
{
    if (node->client >= 0) {
        int32_t bit = self->bit_of[node->client];
        return (self->wanted[bit / 64] >> (bit % 64)) & 1;
    }
    const uint64_t *mask = &self->masks[node->mask * self->words];
    for (Py_ssize_t w = 0; w < self->words; w++)
        if (mask[w] & self->wanted[w])
            return 1;
    return 0;
}

/* The first client in order, of all or of those in `wanted`; -1 when that is nobody. */
static int32_t
first(const Kernel *self, int all)
{
    int32_t group = 0;
    for (;;) {
        int32_t at = self->begin[group], end = self->begin[group + 1];
        if (!all)
            while (at < end && !is_wanted(self, &self->node[self->order[at]]))
                at++;
        if (at == end)
            return -1;
        const Node *node = &self->node[self->order[at]];
        if (node->client >= 0)
            return node->client;
        group = node->child;
    }
}

static int
walk(const Kernel *self, int32_t group, PyObject *found)
{
    for (int32_t at = self->begin[group]; at < self->begin[group + 1]; at++) {
        const Node *node = &self->node[self->order[at]];
        if (!is_wanted(self, node))
            continue;
        if (node->client < 0) {
            if (walk(self, node->child, found) < 0)
                return -1;
            continue;
        }
        PyObject *client = PyLong_FromLong(node->client);
        if (client == NULL || PyList_Append(found, client) < 0) {
            Py_XDECREF(client);
            return -1;
        }
        Py_DECREF(client);
    }
    return 0;
}
