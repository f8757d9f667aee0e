/* The inner loop of a pass over many agents (mesos_service/core/allocation/kernel.py says what for, and with what).
 *
 * It decides what mesos_service/core/allocation/one_pass.py decides in Python, and nothing else: whose turn it is among
 * the clients that may have all that is free on an agent. What is not that plain it asks Python, through five calls.
 * Shares are quotients of whole numbers below 2**53, so that a division of doubles rounds them as Python does; where
 * numbers are larger, Python divides. What Python calls is here; the rest is in the headers, of which each has a subject.
 */

#include "_kernel_agents.h"
#include "_kernel_columns.h"

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
