/* What is handed in: columns are looked at once, here, so that nothing later points where there is nothing; and how they
 * are given back. */

#pragma once

#include "_kernel_state.h"

static void *
column(Kernel *self, PyObject *given, const char *name, Py_ssize_t size, int writable)
{
    PyObject *value = PyDict_GetItemString(given, name);
    if (value == NULL) {
        PyErr_Format(PyExc_TypeError, "column %s is missing", name);
        return NULL;
    }
    if (self->buffers == BUFFERS) {
        PyErr_SetString(PyExc_TypeError, "too many columns");
        return NULL;
    }
    Py_buffer *buffer = &self->buffer[self->buffers];
    if (PyObject_GetBuffer(value, buffer, writable ? PyBUF_WRITABLE : PyBUF_SIMPLE) < 0)
        return NULL;
    self->buffers++;
    if (size >= 0 && buffer->len != size) {
        PyErr_Format(PyExc_ValueError, "column %s has %zd bytes, not %zd", name, buffer->len, size);
        return NULL;
    }
    return buffer->buf;
}

static PyObject *
object(PyObject *given, const char *name, PyTypeObject *type)
{
    PyObject *value = PyDict_GetItemString(given, name);
    if (value == NULL || (type != NULL && !PyObject_TypeCheck(value, type))) {
        PyErr_Format(PyExc_TypeError, "%s is missing, or of another type", name);
        return NULL;
    }
    Py_INCREF(value);
    return value;
}

static Py_ssize_t
number(PyObject *given, const char *name)
{
    PyObject *value = PyDict_GetItemString(given, name);
    if (value == NULL) {
        PyErr_Format(PyExc_TypeError, "%s is missing", name);
        return -1;
    }
    return PyLong_AsSsize_t(value);
}

#define LIST(field) if ((self->field = object(given, #field, &PyList_Type)) == NULL) return -1
#define ANY(field) if ((self->field = object(given, #field, NULL)) == NULL) return -1
#define COUNT(field) do { self->field = number(given, #field); if (PyErr_Occurred()) return -1; } while (0)
#define COLUMN(field, type, count, writable) \
    if ((self->field = column(self, given, #field, (Py_ssize_t)((count) * (Py_ssize_t)sizeof(type)), writable)) == NULL) \
        return -1
#define ROOM(field, count) \
    if ((self->field = PyMem_Calloc((size_t)(count) + 1, sizeof(*self->field))) == NULL) { PyErr_NoMemory(); return -1; }

static int
all_below(const int32_t *values, Py_ssize_t count, Py_ssize_t least, Py_ssize_t bound)
{
    for (Py_ssize_t i = 0; i < count; i++)
        if (values[i] < least || values[i] >= bound) {
            PyErr_SetString(PyExc_ValueError, "an index points nowhere");
            return 0;
        }
    return 1;
}

static int
read_weight(Kernel *self, Py_ssize_t number, Node *node)
{
    PyObject *ratio = PyList_GET_ITEM(self->weights, number);
    node->numerator = node->denominator = 1;
    if (ratio == Py_None)
        return 0;
    if (!PyTuple_Check(ratio) || PyTuple_GET_SIZE(ratio) != 2) {
        PyErr_SetString(PyExc_TypeError, "a weight is a pair of integers");
        return -1;
    }
    int over = 0;
    node->numerator = PyLong_AsLongLongAndOverflow(PyTuple_GET_ITEM(ratio, 0), &over);
    if (!over)
        node->denominator = PyLong_AsLongLongAndOverflow(PyTuple_GET_ITEM(ratio, 1), &over);
    if (over)
        node->numerator = node->denominator = 0;
    return PyErr_Occurred() ? -1 : 0;
}

static int
read_rows(Kernel *self)
{
    if (PyList_GET_SIZE(self->rows) != self->clients) {
        PyErr_SetString(PyExc_ValueError, "one row of filters for each client");
        return -1;
    }
    ROOM(row, self->clients);
    ROOM(row_length, self->clients);
    ROOM(few, self->clients);
    ROOM(row_buffer, self->clients);
    for (Py_ssize_t c = 0; c < self->clients; c++) {
        PyObject *row = PyList_GET_ITEM(self->rows, c);
        if (row == Py_None)
            continue;
        if (row == Py_False) {
            self->few[c] = 1;
            continue;
        }
        Py_buffer *buffer = &self->row_buffer[self->row_buffers];
        if (PyObject_GetBuffer(row, buffer, PyBUF_SIMPLE) < 0)
            return -1;
        self->row_buffers++;
        self->row[c] = buffer->buf;
        self->row_length[c] = buffer->len / (Py_ssize_t)sizeof(int32_t);
    }
    return 0;
}

static int
read_tree(Kernel *self, PyObject *given)
{
    Py_ssize_t n = self->nodes, g = self->groups, r = self->resources;
    const double *share = column(self, given, "share", n * (Py_ssize_t)sizeof(double), 0);
    const int64_t *served = share ? column(self, given, "served", n * 8, 0) : NULL;
    const int32_t *rank = served ? column(self, given, "rank", n * 4, 0) : NULL;
    const int32_t *group = rank ? column(self, given, "group", n * 4, 0) : NULL;
    const int32_t *client = group ? column(self, given, "client", n * 4, 0) : NULL;
    const int32_t *child = client ? column(self, given, "child", n * 4, 0) : NULL;
    const int64_t *held = child ? column(self, given, "held", n * r * 8, 0) : NULL;
    if (held == NULL)
        return -1;
    COLUMN(owner, int32_t, g, 0);
    COLUMN(begin, int32_t, g + 1, 0);
    COLUMN(order, int32_t, n, 1);
    COLUMN(node_of, int32_t, self->clients, 0);
    COLUMN(bit_of, int32_t, self->clients, 0);
    COLUMN(limit_of, int32_t, self->clients, 0);
    LIST(weights);
    if (PyList_GET_SIZE(self->weights) != n || g < 1) {
        PyErr_SetString(PyExc_ValueError, "one weight for each node, and a group at the top");
        return -1;
    }
    if (!all_below(group, n, 0, g) || !all_below(client, n, -1, self->clients) || !all_below(child, n, -1, g)
        || !all_below(self->owner, g, -1, n) || !all_below(self->begin, g + 1, 0, n + 1) || !all_below(self->order, n, 0, n)
        || !all_below(self->node_of, self->clients, 0, n) || !all_below(self->bit_of, self->clients, 0, self->words * 64)
        || !all_below(self->limit_of, self->clients, -1, self->limits))
        return -1;
    for (Py_ssize_t i = 0; i < g; i++)
        if (self->begin[i] >= self->begin[i + 1] || (self->owner[i] >= 0) == (i == 0)) {
            PyErr_SetString(PyExc_ValueError, "a group is empty, or hangs nowhere");
            return -1;
        }
    ROOM(node, n);
    ROOM(amounts, n * r);
    memcpy(self->amounts, held, (size_t)(n * r) * 8);
    Py_ssize_t inner = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        Node *node = &self->node[i];
        node->share = share[i];
        node->served = served[i];
        node->rank = rank[i];
        node->group = group[i];
        node->client = client[i];
        node->child = child[i];
        node->mask = child[i] >= 0 ? (int32_t)inner++ : -1;
        if ((client[i] < 0) == (child[i] < 0) || (child[i] >= 0 && child[i] <= group[i])) {
            PyErr_SetString(PyExc_ValueError, "a node is a client, or has a group further down");
            return -1;
        }
        if (read_weight(self, i, node) < 0)
            return -1;
    }
    ROOM(masks, inner * self->words);
    for (Py_ssize_t c = 0; c < self->clients; c++) {
        int32_t bit = self->bit_of[c];
        int32_t at = self->owner[self->node[self->node_of[c]].group];
        while (at >= 0) {
            self->masks[self->node[at].mask * self->words + bit / 64] |= (uint64_t)1 << (bit % 64);
            at = self->owner[self->node[at].group];
        }
    }
    return 0;
}

static int
Kernel_init(PyObject *object_self, PyObject *args, PyObject *given)
{
    Kernel *self = (Kernel *)object_self;
    if (PyTuple_GET_SIZE(args) || given == NULL || self->zero != NULL) {
        PyErr_SetString(PyExc_TypeError, "all is given by name, and once");
        return -1;
    }
    if ((self->zero = PyLong_FromLong(0)) == NULL || (self->parts_name = PyUnicode_InternFromString("parts")) == NULL)
        return -1;
    COUNT(nodes); COUNT(groups); COUNT(clients); COUNT(words); COUNT(resources); COUNT(shapes); COUNT(limits);
    COUNT(length); COUNT(agents); COUNT(limit);
    LIST(free); LIST(offered); LIST(vetoed); LIST(ids); LIST(grants); LIST(dull); LIST(rows); LIST(stamps); LIST(prepared);
    ANY(look); ANY(ask); ANY(squeeze); ANY(special); ANY(take); ANY(empty); ANY(nothing);
    PyObject *grant = object(given, "grant", &PyType_Type);
    if (grant == NULL)
        return -1;
    self->grant = (PyTypeObject *)grant;
    if (!PyType_IsSubtype(self->grant, &PyTuple_Type)) {
        PyErr_SetString(PyExc_TypeError, "grants are tuples");
        return -1;
    }
    if (read_tree(self, given) < 0 || read_rows(self) < 0)
        return -1;
    Py_ssize_t s = self->shapes, c = self->clients, r = self->resources;
    COLUMN(totals, int64_t, r, 0);
    COLUMN(vectors, int64_t, s * r, 0);
    COLUMN(countable, int64_t, s * r, 0);
    COLUMN(crumbs, uint8_t, s, 0);
    COLUMN(asked, uint64_t, s * self->words, 1);
    COLUMN(surplus, int64_t, r, 1);
    COLUMN(left, int64_t, self->limits * r, 1);
    COLUMN(given, int32_t, s * c, 1);
    COLUMN(maybe, uint8_t, self->agents, 0);
    COLUMN(queue, int32_t, self->length, 0);
    COLUMN(local, int32_t, self->length, 0);
    if ((self->open = column(self, given, "open", -1, 1)) == NULL)
        return -1;
    if (self->buffer[self->buffers - 1].len < self->agents || PyList_GET_SIZE(self->free) != self->agents
        || PyList_GET_SIZE(self->offered) != self->agents || PyList_GET_SIZE(self->vetoed) != self->agents
        || PyList_GET_SIZE(self->ids) != self->agents) {
        PyErr_SetString(PyExc_ValueError, "a row of the table for each agent");
        return -1;
    }
    if (!all_below(self->queue, self->length, 0, self->agents) || !all_below(self->local, self->length, -1, s))
        return -1;
    ROOM(wanted, self->words);
    ROOM(vetoes, self->words);
    ROOM(code, s * c);
    ROOM(parts, s * c);
    ROOM(narrowed, s);
    ROOM(agent_of, self->length);
    ROOM(pair_of, self->length);
    if (PyList_GET_SIZE(self->stamps) != c || PyList_GET_SIZE(self->prepared) != s || s * c > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "a stamp for each client, and what is prepared of each shape");
        return -1;
    }
    for (Py_ssize_t i = 0; i < s; i++) {
        Py_ssize_t count = 0;
        for (Py_ssize_t w = 0; w < self->words; w++)
            count += __builtin_popcountll(self->asked[i * self->words + w]);
        self->narrowed[i] = count != c;
    }
    self->ready = 1;
    return 0;
}

static void
release(Kernel *self)
{
    while (self->buffers)
        PyBuffer_Release(&self->buffer[--self->buffers]);
    while (self->row_buffers)
        PyBuffer_Release(&self->row_buffer[--self->row_buffers]);
}

static void
Kernel_dealloc(PyObject *object_self)
{
    Kernel *self = (Kernel *)object_self;
    PyTypeObject *type = Py_TYPE(object_self);
    PyObject_GC_UnTrack(object_self);
    release(self);
    if (self->parts != NULL)
        for (Py_ssize_t i = 0; i < self->shapes * self->clients; i++)
            Py_XDECREF(self->parts[i]);
    PyObject *held[] = {self->weights, self->rows, self->free, self->offered, self->vetoed, self->ids, self->grants,
        self->dull, self->stamps, self->prepared, self->parts_name, self->look, self->ask, self->squeeze, self->special, self->take, self->empty, self->nothing,
        self->zero, (PyObject *)self->grant};
    for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++)
        Py_XDECREF(held[i]);
    void *rooms[] = {self->node, self->amounts, self->masks, self->wanted, self->vetoes, self->code, self->narrowed,
        self->parts, self->agent_of, self->pair_of, self->row, self->row_length, self->few, self->row_buffer};
    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++)
        PyMem_Free(rooms[i]);
    type->tp_free(object_self);
    Py_DECREF(type);
}

static int
Kernel_traverse(PyObject *object_self, visitproc visit, void *arg)
{
    Kernel *self = (Kernel *)object_self;
    Py_VISIT(Py_TYPE(object_self));
    Py_VISIT(self->look);
    Py_VISIT(self->ask);
    Py_VISIT(self->squeeze);
    Py_VISIT(self->special);
    Py_VISIT(self->take);
    return 0;
}
