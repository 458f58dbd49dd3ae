/* uint8 clips to float32 through a table of 256 floats a channel. The GIL is released for all of the work. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

#define LEVELS 256

static void normalise_plane(const uint8_t *restrict from, const float *restrict table, float *restrict to,
                            Py_ssize_t length) {
    for (Py_ssize_t n = 0; n < length; n++)
        to[n] = table[from[n]];
}

static PyObject *normalise(PyObject *self, PyObject *args) {
    Py_buffer clip, table, out;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*w*", &clip, &table, &out))
        return NULL;
    const Py_ssize_t channels = table.len / (Py_ssize_t)(LEVELS * sizeof(float));
    const Py_ssize_t plane = channels ? clip.len / channels : 0;
    const int sound = channels > 0 && table.len == channels * (Py_ssize_t)(LEVELS * sizeof(float)) &&
                      plane * channels == clip.len && out.len == clip.len * (Py_ssize_t)sizeof(float);
    if (sound) {
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t c = 0; c < channels; c++)
            normalise_plane((const uint8_t *)clip.buf + c * plane, (const float *)table.buf + c * LEVELS,
                            (float *)out.buf + c * plane, plane);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&clip), PyBuffer_Release(&table), PyBuffer_Release(&out);
    if (!sound)
        return PyErr_Format(PyExc_ValueError, "clip, table and out do not fit each other");
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"normalise", normalise, METH_VARARGS, "out[c] = table[c][clip[c]] for each channel c."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_feed", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__feed(void) { return PyModuleDef_Init(&module); }
