/* What the kernel knows while a pass runs: columns that Python hands in and gets back, and what is made of them.
 *
 * The _kernel_*.h are one unit with _kernel.c, parted by subject and included there in the order in which they build on
 * each other.
 */

#pragma once

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
