/* One agent of the queue: who may have all that is free there, what is written down of it, and what Python is asked. */

#pragma once

#include "_kernel_order.h"

static int
bits_of(Kernel *self, PyObject *bits, uint64_t *words)
{
    size_t size = (size_t)self->words * 8;
    if (!PyLong_Check(bits)) {
        PyErr_SetString(PyExc_TypeError, "bits are an integer");
        return -1;
    }
#if PY_VERSION_HEX >= 0x030D0000
    return _PyLong_AsByteArray((PyLongObject *)bits, (unsigned char *)words, size, PY_LITTLE_ENDIAN, 0, 1);
#else
    return _PyLong_AsByteArray((PyLongObject *)bits, (unsigned char *)words, size, PY_LITTLE_ENDIAN, 0);
#endif
}

static long
answer(PyObject *call, Py_ssize_t one, Py_ssize_t two, Py_ssize_t three)
{
    PyObject *said = PyObject_CallFunction(call, "nnn", one, two, three);
    if (said == NULL)
        return -1;
    long number = PyLong_AsLong(said);
    Py_DECREF(said);
    return number;
}

static int
look(Kernel *self, int32_t shape, int32_t client)
{
    Py_ssize_t at = shape * self->clients + client;
    PyObject *known = PyList_GET_ITEM(self->prepared, shape);
    PyObject *said = NULL;
    known = PyDict_Check(known) ? PyDict_GetItemWithError(known, PyList_GET_ITEM(self->stamps, client)) : NULL;
    if (known != NULL && (said = PyObject_GetAttr(known, self->parts_name)) == Py_None)
        Py_CLEAR(said);
    if (PyErr_Occurred())
        return -1;
    if (said == NULL)
        said = PyObject_CallFunction(self->look, "ii", shape, client);
    if (said == NULL)
        return -1;
    if (PyTuple_Check(said) && PyTuple_GET_SIZE(said) == 4) {
        self->parts[at] = said;
        self->code[at] = WHOLE;
        return 0;
    }
    long code = PyLong_AsLong(said);
    Py_DECREF(said);
    if (code != PART && code != BLOCKED) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "what is prepared is whole, a part, or blocked");
        return -1;
    }
    self->code[at] = (uint8_t)code;
    return 0;
}

/* Whether quota leaves all of `shape` to `client`. */
static int
fits(const Kernel *self, int32_t shape, int32_t client)
{
    const int64_t *countable = &self->countable[shape * self->resources];
    const int64_t *left = self->limit_of[client] < 0 ? NULL : &self->left[self->limit_of[client] * self->resources];
    for (Py_ssize_t r = 0; r < self->resources; r++)
        if (countable[r] && (countable[r] > self->surplus[r] || (left != NULL && countable[r] > left[r])))
            return 0;
    return 1;
}

static int
has_filter(const Kernel *self, int32_t client, int32_t agent)
{
    if (self->few[client])
        return self->maybe[agent];
    return self->row[client] != NULL && agent < self->row_length[client] && self->row[client][agent];
}

static int
put(PyObject *list, Py_ssize_t at, PyObject *value)
{
    Py_INCREF(value);
    return PyList_SetItem(list, at, value);
}

/* All of `shape` on `agent` goes to `client`. The books are written later, by `flush`. */
static int
decide(Kernel *self, int32_t agent, int32_t shape, int32_t client)
{
    self->agent_of[self->pending] = agent;
    self->pair_of[self->pending++] = (int32_t)(shape * self->clients + client);
    self->given[shape * self->clients + client]++;
    const int64_t *countable = &self->countable[shape * self->resources];
    int64_t *left = self->limit_of[client] < 0 ? NULL : &self->left[self->limit_of[client] * self->resources];
    for (Py_ssize_t r = 0; r < self->resources; r++) {
        self->surplus[r] -= countable[r];
        if (left != NULL)
            left[r] -= countable[r];
    }
    return serve(self, client, &self->vectors[shape * self->resources]);
}

static int
book(Kernel *self, int32_t agent, int32_t pair)
{
    PyObject *parts = self->parts[pair];
    if (PyList_GET_ITEM(self->offered, agent) == self->nothing) {
        if (put(self->offered, agent, PyTuple_GET_ITEM(parts, 3)) < 0 || put(self->free, agent, self->empty) < 0)
            return -1;
    } else if (answer(self->take, agent, pair / self->clients, pair % self->clients) < 0) {
        return -1;
    }
    PyObject *grant = self->grant->tp_alloc(self->grant, 4);
    if (grant == NULL)
        return -1;
    PyObject *fields[] = {PyTuple_GET_ITEM(parts, 0), PyTuple_GET_ITEM(parts, 1), PyList_GET_ITEM(self->ids, agent),
        PyTuple_GET_ITEM(parts, 2)};
    for (int i = 0; i < 4; i++) {
        Py_INCREF(fields[i]);
        PyTuple_SET_ITEM(grant, i, fields[i]);
    }
    int failed = PyList_Append(self->grants, grant);
    Py_DECREF(grant);
    self->open[agent] = 0;
    return failed;
}

/* Write into the books what was decided. Records of agents and offers lie anywhere in memory: they are fetched ahead. */
static int
flush(Kernel *self)
{
    for (Py_ssize_t i = 0; i < self->pending; i++) {
        if (i + FAR < self->pending) {
            __builtin_prefetch(PyList_GET_ITEM(self->ids, self->agent_of[i + FAR]), 1);
            __builtin_prefetch(self->parts[self->pair_of[i + FAR]]);
        }
        if (i + NEAR < self->pending) {
            PyObject *parts = self->parts[self->pair_of[i + NEAR]];
            for (int field = 0; field < 4; field++)
                __builtin_prefetch(PyTuple_GET_ITEM(parts, field), 1);
        }
        if (book(self, self->agent_of[i], self->pair_of[i]) < 0)
            return -1;
    }
    self->pending = 0;
    return 0;
}

static void
exclude(const Kernel *self, uint64_t *words, int32_t client)
{
    int32_t bit = self->bit_of[client];
    words[bit / 64] &= ~((uint64_t)1 << (bit % 64));
}

/* What was granted, or -1 with an error set. */
static int
serve_agent(Kernel *self, Py_ssize_t position)
{
    int32_t agent = self->queue[position], shape = self->local[position];
    uint64_t *asked = &self->asked[shape * self->words];
    PyObject *vetoed = PyList_GET_ITEM(self->vetoed, agent);
    int all = vetoed == self->zero && !self->narrowed[shape];
    if (!all) {
        if (vetoed == self->zero) {
            memcpy(self->wanted, asked, (size_t)self->words * 8);
        } else {
            if (bits_of(self, vetoed, self->vetoes) < 0)
                return -1;
            for (Py_ssize_t w = 0; w < self->words; w++)
                self->wanted[w] = asked[w] & ~self->vetoes[w];
        }
    }
    for (;;) {
        int32_t client = first(self, all);
        if (client < 0)
            return NONE;
        uint8_t *code = &self->code[shape * self->clients + client];
        if (*code == UNKNOWN && look(self, shape, client) < 0)
            return -1;
        int gone = 0, lasting = 0;
        if (*code == BLOCKED) {
            gone = lasting = 1;
        } else if (!fits(self, shape, client)) {
            long said = flush(self) < 0 ? -1 : answer(self->squeeze, agent, shape, client);
            if (said < 0 || said == PIECES)
                return (int)said;
            gone = 1;
            lasting = said == NONE; /* else a filter is in the way, of this agent only */
        } else if (has_filter(self, client, agent)) {
            long said = answer(self->ask, agent, shape, client);
            if (said < 0)
                return -1;
            gone = said != 0;
        }
        if (!gone) {
            if (*code == PART)
                return flush(self) < 0 || answer(self->special, agent, shape, client) < 0 ? -1 : PIECES;
            return decide(self, agent, shape, client) < 0 ? -1 : ALL;
        }
        if (all) {
            memcpy(self->wanted, asked, (size_t)self->words * 8);
            all = 0;
        }
        exclude(self, self->wanted, client);
        if (lasting) {
            exclude(self, asked, client);
            self->narrowed[shape] = 1;
        }
    }
}

static int
note(PyObject *list, Py_ssize_t value)
{
    PyObject *item = PyLong_FromSsize_t(value);
    int failed = item == NULL ? -1 : PyList_Append(list, item);
    Py_XDECREF(item);
    return failed;
}
