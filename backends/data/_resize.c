/* `_resize.h` as a Python module. The GIL is released for all of the work. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "_resize.h"

static PyObject *resize_crop(PyObject *self, PyObject *args) {
    Py_buffer source, column_starts, column_weights, row_starts, row_weights, out;
    int height, width, size, done = 0;
    Py_ssize_t offset, plane;
    work w;
    (void)self;
    memset(&w, 0, sizeof w);
    if (!PyArg_ParseTuple(args, "y*iiiy*y*iy*y*iw*nn", &source, &height, &width, &w.columns.taps, &column_starts,
                          &column_weights, &w.rows.taps, &row_starts, &row_weights, &size, &out, &offset, &plane))
        return NULL;
    const Py_ssize_t square = (Py_ssize_t)size * size;
    w.columns.length = w.rows.length = size;
    w.columns.starts = column_starts.buf, w.columns.weights = column_weights.buf;
    w.rows.starts = row_starts.buf, w.rows.weights = row_weights.buf;
    const int sound = height > 0 && width > 0 && size > 0 && size <= 4096 && offset >= 0 && plane >= square &&
                      source.len >= (Py_ssize_t)height * width * 3 + ROOM && out.len - offset - square >= 2 * plane &&
                      fits(&w.columns, width, column_starts.len, column_weights.len) &&
                      fits(&w.rows, height, row_starts.len, row_weights.len);
    if (sound) {
        w.source = source.buf, w.width = width, w.out = (uint8_t *)out.buf + offset, w.plane = plane;
        Py_BEGIN_ALLOW_THREADS
        done = allocate_and_resize(&w);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&source), PyBuffer_Release(&column_starts), PyBuffer_Release(&column_weights);
    PyBuffer_Release(&row_starts), PyBuffer_Release(&row_weights), PyBuffer_Release(&out);
    if (!sound)
        return PyErr_Format(PyExc_ValueError, "sizes, tables and buffers do not fit each other");
    if (!done)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"resize_crop", resize_crop, METH_VARARGS, "Resize and crop one RGB frame into three planes of `out`."},
    {NULL, NULL, 0, NULL},
};

static int prepare(PyObject *module) { return PyModule_AddIntConstant(module, "INTERFACE", 1); }

static PyModuleDef_Slot slots[] = {{Py_mod_exec, prepare}, {0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_resize", NULL, 0, methods, slots, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__resize(void) { return PyModuleDef_Init(&module); }
