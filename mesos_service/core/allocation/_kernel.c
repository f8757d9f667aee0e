/* The inner loop of a pass over many agents (mesos_service/core/allocation/kernel.py says what for, and with what).
 *
 * It decides what mesos_service/core/allocation/one_pass.py decides in Python, and nothing else: whose turn it is among
 * the clients that may have all that is free on an agent. What is not that plain it asks Python, through five calls.
 * Shares are quotients of whole numbers below 2**53, so that a division of doubles rounds them as Python does; where
 * numbers are larger, Python divides.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <string.h>

#define INTERFACE 3 /* as in kernel.py: another number when what is handed over changes */
#define EXACT ((int64_t)1 << 53)
#define BUFFERS 32
#define FAR 12
#define NEAR 6

enum { NONE = 0, PIECES = 1, ALL = 2 };
enum { UNKNOWN = 0, WHOLE = 1, PART = 2, BLOCKED = 3 };

typedef struct {
    double share;
    int64_t served;
    int32_t rank;   /* place among its siblings by name */
    int32_t group;  /* the siblings */
    int32_t client; /* or -1 */
    int32_t child;  /* the group below, or -1 */
    int32_t mask;   /* which of the masks is that of the clients below, or -1 */
    int64_t numerator, denominator; /* of the weight; 0 where they are too large */
} Node;

typedef struct {
    PyObject_HEAD
    Py_ssize_t nodes, groups, clients, words, resources, shapes, limits, length, agents;
    Node *node;
    int64_t *amounts; /* of nodes, by resource */
    uint64_t *masks;
    uint64_t *wanted, *vetoes;
    uint8_t *code;    /* of shape and client */
    uint8_t *narrowed; /* of shape: whether anybody is excluded */
    PyObject **parts; /* of shape and client: framework, role, granted, holdings */
    int32_t *agent_of, *pair_of; /* decided and not booked yet: agent, and shape and client */
    Py_ssize_t pending;
    const int32_t **row; /* of client: its filters by agent */
    Py_ssize_t *row_length;
    uint8_t *few;     /* of client: whether its filters are those that `maybe` tells of */
    const int32_t *owner, *begin, *node_of, *bit_of, *limit_of, *queue, *local;
    int32_t *order, *given;
    const int64_t *totals, *vectors, *countable;
    const uint8_t *crumbs, *maybe;
    uint64_t *asked;
    int64_t *surplus, *left;
    uint8_t *open;
    PyObject *weights, *rows, *free, *offered, *vetoed, *ids, *grants, *dull, *stamps, *prepared, *parts_name;
    PyObject *look, *ask, *squeeze, *special, *take, *empty, *nothing, *zero;
    PyTypeObject *grant;
    Py_ssize_t limit;
    Py_buffer buffer[BUFFERS];
    int buffers, ready;
    Py_buffer *row_buffer;
    Py_ssize_t row_buffers;
} Kernel;

/* -- what is handed in ------------------------------------------------------------------------------------------- */

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

/* -- the order of clients ---------------------------------------------------------------------------------------- */

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

/* -- one agent --------------------------------------------------------------------------------------------------- */

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

/* -- what Python calls ------------------------------------------------------------------------------------------- */

static int
is_ready(const Kernel *self)
{
    if (self->ready && self->buffers)
        return 1;
    PyErr_SetString(PyExc_RuntimeError, "its columns were not given yet, or were given back");
    return 0;
}

static PyObject *
Kernel_release(PyObject *object_self, PyObject *ignored)
{
    (void)ignored;
    release((Kernel *)object_self);
    Py_RETURN_NONE;
}

static PyObject *
Kernel_run(PyObject *object_self, PyObject *ignored)
{
    (void)ignored;
    Kernel *self = (Kernel *)object_self;
    if (!is_ready(self))
        return NULL;
    Py_ssize_t position;
    for (position = 0; position < self->length; position++) {
        int32_t agent = self->queue[position], shape = self->local[position];
        if (position + FAR < self->length)
            __builtin_prefetch(PyList_GET_ITEM(self->vetoed, self->queue[position + FAR]));
        if (shape < 0)
            continue; /* taken in an earlier stage */
        if (PyList_GET_SIZE(self->grants) + self->pending == self->limit)
            break;
        if (self->crumbs[shape] && note(self->dull, position) < 0)
            return NULL;
        int granted = serve_agent(self, position);
        if (granted < 0 || (granted == NONE && note(self->dull, ~position) < 0))
            return NULL;
        if (granted == ALL)
            continue;
        PyObject *free = PyList_GET_ITEM(self->free, agent);
        if (PyList_GET_SIZE(self->grants) + self->pending == self->limit) {
            int left = PyObject_IsTrue(free);
            if (left < 0)
                return NULL;
            if (left)
                break;
        }
    }
    return flush(self) < 0 ? NULL : PyLong_FromSsize_t(position);
}

static PyObject *
Kernel_walk(PyObject *object_self, PyObject *bits)
{
    Kernel *self = (Kernel *)object_self;
    if (!is_ready(self))
        return NULL;
    if (bits_of(self, bits, self->wanted) < 0)
        return NULL;
    PyObject *found = PyList_New(0);
    if (found != NULL && walk(self, 0, found) < 0)
        Py_CLEAR(found);
    return found;
}

static PyObject *
Kernel_charge(PyObject *object_self, PyObject *args)
{
    Kernel *self = (Kernel *)object_self;
    Py_ssize_t client;
    Py_buffer vector;
    if (!is_ready(self))
        return NULL;
    if (!PyArg_ParseTuple(args, "ny*", &client, &vector))
        return NULL;
    int done = -1;
    if (client < 0 || client >= self->clients || vector.len != self->resources * 8)
        PyErr_SetString(PyExc_ValueError, "no such client, or a vector of another length");
    else
        done = serve(self, (int32_t)client, vector.buf);
    PyBuffer_Release(&vector);
    if (done < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef Kernel_methods[] = {
    {"run", Kernel_run, METH_NOARGS, "Serve the queue; how many agents were done before the limit was reached."},
    {"walk", Kernel_walk, METH_O, "The numbers of the clients whose bits are given, in order."},
    {"release", Kernel_release, METH_NOARGS, "Give the columns back, so that they may grow."},
    {"charge", Kernel_charge, METH_VARARGS, "A client was given something by Python."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot Kernel_slots[] = {
    {Py_tp_init, Kernel_init},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_dealloc, Kernel_dealloc},
    {Py_tp_traverse, Kernel_traverse},
    {Py_tp_methods, Kernel_methods},
    {0, NULL},
};

static PyType_Spec Kernel_spec = {
    .name = "mesos_service.core.allocation._kernel.Kernel",
    .basicsize = sizeof(Kernel),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = Kernel_slots,
};

/* guess(rows, shapes, free, frees, empty, out): where the guess of a shape's number is right, and -2 where it is not;
 * -1 where nothing is free. True when all were right. */
static PyObject *
guess(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer rows, shapes, out;
    PyObject *free, *frees, *empty;
    if (!PyArg_ParseTuple(args, "y*y*O!O!Ow*", &rows, &shapes, &PyList_Type, &free, &PyList_Type, &frees, &empty, &out))
        return NULL;
    Py_ssize_t count = rows.len / 4, agents = PyList_GET_SIZE(free), numbers = PyList_GET_SIZE(frees), wrong = 0;
    const int32_t *row = rows.buf, *shape = shapes.buf;
    int32_t *found = out.buf;
    int failed = out.len != rows.len || shapes.len / 4 < agents;
    for (Py_ssize_t i = 0; !failed && i < count; i++) {
        if (row[i] < 0 || row[i] >= agents) {
            failed = 1;
            break;
        }
        PyObject *here = PyList_GET_ITEM(free, row[i]);
        int32_t number = shape[row[i]];
        if (here == empty) {
            found[i] = -1;
        } else if (number >= 0 && number < numbers && PyList_GET_ITEM(frees, number) == here) {
            found[i] = number;
        } else {
            found[i] = -2;
            wrong++;
        }
    }
    PyBuffer_Release(&rows);
    PyBuffer_Release(&shapes);
    PyBuffer_Release(&out);
    if (failed) {
        PyErr_SetString(PyExc_ValueError, "a row that is not there, or columns of other lengths");
        return NULL;
    }
    return PyBool_FromLong(!wrong);
}

/* rows_of(ids, row_of, out): the row of each agent, by its id; -1 where there is none. */
static PyObject *
rows_of(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *ids, *row_of;
    Py_buffer out;
    if (!PyArg_ParseTuple(args, "O!O!w*", &PyList_Type, &ids, &PyDict_Type, &row_of, &out))
        return NULL;
    Py_ssize_t count = PyList_GET_SIZE(ids);
    PyObject **found = NULL;
    int failed = -1;
    if (out.len != count * 4)
        PyErr_SetString(PyExc_ValueError, "as many rows as agents are to be found");
    else if ((found = PyMem_Malloc(((size_t)count + 1) * sizeof(PyObject *))) == NULL)
        PyErr_NoMemory();
    else
        failed = 0;
    /* To look one up may run code of others where ids are no strings: then the list may be another afterwards. */
    Py_ssize_t looked = 0;
    for (; !failed && looked < count; looked++) {
        if (looked + FAR < count && PyList_GET_SIZE(ids) == count)
            __builtin_prefetch(PyList_GET_ITEM(ids, looked + FAR));
        if (PyList_GET_SIZE(ids) != count) {
            PyErr_SetString(PyExc_RuntimeError, "the agents changed meanwhile");
            failed = -1;
            break;
        }
        PyObject *id = Py_NewRef(PyList_GET_ITEM(ids, looked));
        PyObject *row = PyDict_GetItemWithError(row_of, id);
        Py_XINCREF(row);
        Py_DECREF(id);
        if (row == NULL && PyErr_Occurred()) {
            failed = -1;
            break;
        }
        found[looked] = row;
    }
    int32_t *rows = out.buf;
    for (Py_ssize_t i = 0; i < looked; i++) {
        long row = failed || found[i] == NULL ? -1 : PyLong_AsLong(found[i]);
        if (row == -1 && PyErr_Occurred())
            failed = -1;
        rows[i] = (int32_t)row;
        Py_XDECREF(found[i]);
    }
    PyMem_Free(found);
    PyBuffer_Release(&out);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"guess", guess, METH_VARARGS, "Look up the shapes of many agents."},
    {"rows_of", rows_of, METH_VARARGS, "Look up the rows of many agents."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_kernel", "The inner loop of a pass, compiled.", -1, functions, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__kernel(void)
{
    PyObject *made = PyModule_Create(&module);
    PyObject *type = made == NULL ? NULL : PyType_FromSpec(&Kernel_spec);
    if (type == NULL || PyModule_AddIntMacro(made, INTERFACE) < 0 || PyModule_AddObject(made, "Kernel", type) < 0) {
        Py_XDECREF(type);
        Py_XDECREF(made);
        return NULL;
    }
    return made;
}
