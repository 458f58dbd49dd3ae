/* What reading a clip costs, in one call without the interpreter: bytes off the disk's cache, their checksum, and
   float32 of them as the reference normalises. The GIL is released for all of it. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <unistd.h>

#include "_feed.h"

#define PIECE (96 * 1024) /* read, checked and normalised while it lies in a core's own cache */

/* The buffers of bytes that become floats, checked against each other. */
struct floats {
    Py_buffer table, constants, out;
    Py_ssize_t channels;
};

static int fit(struct floats *f, Py_ssize_t length) {
    const Py_ssize_t levels = LEVELS * (Py_ssize_t)sizeof(float), pair = 2 * (Py_ssize_t)sizeof(float);
    f->channels = f->table.len / levels;
    return f->channels > 0 && f->table.len == f->channels * levels && length % f->channels == 0 &&
           (f->constants.len == 0 || f->constants.len == f->channels * pair) &&
           f->out.len == length * (Py_ssize_t)sizeof(float) && (uintptr_t)f->out.buf % sizeof(float) == 0 &&
           (uintptr_t)f->table.buf % sizeof(float) == 0 && (uintptr_t)f->constants.buf % sizeof(float) == 0;
}

static const float *constants_of(const struct floats *f, Py_ssize_t channel) {
    return f->constants.len ? (const float *)f->constants.buf + 2 * channel : NULL;
}

static void release(struct floats *f) {
    PyBuffer_Release(&f->table), PyBuffer_Release(&f->constants), PyBuffer_Release(&f->out);
}

static PyObject *normalise(PyObject *self, PyObject *args) {
    Py_buffer clip;
    struct floats f;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*y*w*", &clip, &f.table, &f.constants, &f.out))
        return NULL;
    const int sound = fit(&f, clip.len);
    if (sound) {
        const Py_ssize_t plane = clip.len / f.channels;
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t c = 0; c < f.channels; c++)
            normalise_plane((const uint8_t *)clip.buf + c * plane, (const float *)f.table.buf + c * LEVELS,
                            constants_of(&f, c), (float *)f.out.buf + c * plane, plane);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&clip), release(&f);
    if (!sound)
        return PyErr_Format(PyExc_ValueError, "clip, table, constants and out do not fit each other");
    Py_RETURN_NONE;
}

static PyObject *crc32(PyObject *self, PyObject *args) {
    Py_buffer data;
    uint32_t crc;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*", &data))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    crc = ~crc_register(~0u, data.buf, data.len);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&data);
    return PyLong_FromUnsignedLong(crc);
}

/* How many of `length` bytes a file gave from `offset` on; -1 and errno where it cannot be read. */
static Py_ssize_t read_fully(int file, uint8_t *to, Py_ssize_t length, off_t offset) {
    Py_ssize_t got = 0;
    while (got < length) {
        const ssize_t more = pread(file, to + got, (size_t)(length - got), offset + got);
        if (more < 0 && errno == EINTR)
            continue;
        if (more < 0)
            return -1;
        if (more == 0)
            break;
        got += more;
    }
    return got;
}

static PyObject *answer(Py_ssize_t got, int error, uint32_t crc) {
    if (got < 0) {
        errno = error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return Py_BuildValue("(nI)", got, (unsigned int)~crc);
}

static PyObject *read_bytes(PyObject *self, PyObject *args) {
    int file, checked, error;
    long long offset;
    Py_buffer out;
    Py_ssize_t got;
    uint32_t crc = ~0u;
    (void)self;
    if (!PyArg_ParseTuple(args, "iLw*p", &file, &offset, &out, &checked))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    got = read_fully(file, out.buf, out.len, (off_t)offset);
    error = errno;
    if (got == out.len && checked)
        crc = crc_register(crc, out.buf, got);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&out);
    return answer(got, error, crc);
}

static PyObject *read_floats(PyObject *self, PyObject *args) {
    int file, checked, error = 0;
    long long offset;
    Py_buffer room;
    struct floats f;
    Py_ssize_t got = 0;
    uint32_t crc = ~0u;
    (void)self;
    if (!PyArg_ParseTuple(args, "iLw*y*y*w*p", &file, &offset, &room, &f.table, &f.constants, &f.out, &checked))
        return NULL;
    const Py_ssize_t length = f.out.len / (Py_ssize_t)sizeof(float);
    const int sound = fit(&f, length) && room.len > 0;
    if (sound) {
        const Py_ssize_t plane = length / f.channels, most = room.len < PIECE ? room.len : PIECE;
        Py_BEGIN_ALLOW_THREADS
        while (got < length) {
            const Py_ssize_t channel = got / plane, left = (channel + 1) * plane - got, wanted = left < most ? left : most;
            const Py_ssize_t here = read_fully(file, room.buf, wanted, (off_t)offset + got);
            error = errno;
            if (here < 0)
                got = -1;
            if (here != wanted)
                break;
            if (checked)
                crc = crc_register(crc, room.buf, here);
            normalise_plane(room.buf, (const float *)f.table.buf + channel * LEVELS, constants_of(&f, channel),
                            (float *)f.out.buf + got, here);
            got += here;
        }
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&room), release(&f);
    if (!sound)
        return PyErr_Format(PyExc_ValueError, "table, constants and out do not fit each other");
    return answer(got, error, crc);
}

static PyMethodDef methods[] = {
    {"normalise", normalise, METH_VARARGS, "normalise(clip, table, constants, out): out[c] = table[c][clip[c]]."},
    {"crc32", crc32, METH_VARARGS, "zlib.crc32(data); fast only where `fast_crc32` is true."},
    {"read_bytes", read_bytes, METH_VARARGS, "read_bytes(file, offset, out, checked) -> (bytes read, CRC-32)."},
    {"read_floats", read_floats, METH_VARARGS,
     "read_floats(file, offset, room, table, constants, out, checked) -> (bytes read, CRC-32): as `normalise`."},
    {NULL, NULL, 0, NULL},
};

static int prepare(PyObject *module) {
    return PyModule_AddIntConstant(module, "fast_crc32", fast_crc()) || PyModule_AddIntConstant(module, "INTERFACE", 2);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, prepare}, {0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_feed", NULL, 0, methods, slots, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__feed(void) { return PyModuleDef_Init(&module); }
