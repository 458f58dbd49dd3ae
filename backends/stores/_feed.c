/* The two costs of reading a clip: its checksum, and float32 through a table of 256 floats a channel.

   Plain C, and AVX2 or carry-less multiplication where the processor has them. The GIL is released for all of it. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__) && defined(__GNUC__) && !defined(PLAIN)
#define WITH_X86
#include <immintrin.h>
#endif

#define LEVELS 256

static void look_up(const uint8_t *restrict from, const float *restrict table, float *restrict to, Py_ssize_t length) {
    for (Py_ssize_t n = 0; n < length; n++)
        to[n] = table[from[n]];
}

#ifdef WITH_X86
/* Past the caches: a batch is larger than they are, and what reads it next is a chip's DMA or another core. */
__attribute__((target("avx2"))) static void look_up_avx2(const uint8_t *restrict from, const float *restrict t,
                                                         float *restrict to, Py_ssize_t length) {
    Py_ssize_t n = 0;
    for (; n < length && ((uintptr_t)(to + n) & 31); n++)
        to[n] = t[from[n]];
    for (; n + 8 <= length; n += 8) {
        uint64_t w;
        memcpy(&w, from + n, 8);
        _mm256_stream_ps(to + n, _mm256_setr_ps(t[w & 255], t[w >> 8 & 255], t[w >> 16 & 255], t[w >> 24 & 255],
                                                t[w >> 32 & 255], t[w >> 40 & 255], t[w >> 48 & 255], t[w >> 56]));
    }
    _mm_sfence();
    look_up(from + n, t, to + n, length - n);
}
#endif

static void normalise_clip(const Py_buffer *clip, const Py_buffer *table, Py_buffer *out, Py_ssize_t channels) {
    const Py_ssize_t plane = clip->len / channels;
    for (Py_ssize_t c = 0; c < channels; c++) {
        const uint8_t *from = (const uint8_t *)clip->buf + c * plane;
        const float *levels = (const float *)table->buf + c * LEVELS;
        float *to = (float *)out->buf + c * plane;
#ifdef WITH_X86
        if (__builtin_cpu_supports("avx2")) {
            look_up_avx2(from, levels, to, plane);
            continue;
        }
#endif
        look_up(from, levels, to, plane);
    }
}

static PyObject *normalise(PyObject *self, PyObject *args) {
    Py_buffer clip, table, out;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*w*", &clip, &table, &out))
        return NULL;
    const Py_ssize_t levels = LEVELS * (Py_ssize_t)sizeof(float), channels = table.len / levels;
    const int sound = channels > 0 && table.len == channels * levels && clip.len % channels == 0 &&
                      out.len == clip.len * (Py_ssize_t)sizeof(float) && (uintptr_t)out.buf % sizeof(float) == 0 &&
                      (uintptr_t)table.buf % sizeof(float) == 0;
    if (sound) {
        Py_BEGIN_ALLOW_THREADS
        normalise_clip(&clip, &table, &out, channels);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&clip), PyBuffer_Release(&table), PyBuffer_Release(&out);
    if (!sound)
        return PyErr_Format(PyExc_ValueError, "clip, table and out do not fit each other");
    Py_RETURN_NONE;
}

#ifdef WITH_X86
/* CRC-32 of zlib, by folding 64 bytes at a time with carry-less products: V. Gopal and others, "Fast CRC Computation
   for Generic Polynomials Using PCLMULQDQ Instruction", Intel, 2009; constants are its powers of x, bit-reflected. */
#define CLMUL __attribute__((target("pclmul,sse4.1")))

CLMUL static inline __m128i fold(__m128i value, __m128i by, __m128i next) {
    const __m128i low = _mm_clmulepi64_si128(value, by, 0x00), high = _mm_clmulepi64_si128(value, by, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* `length` is a multiple of 16 and at least 64; `crc` is the register, not the complemented value. */
CLMUL static uint32_t crc_folded(uint32_t crc, const uint8_t *data, Py_ssize_t length) {
    const __m128i by_512 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4), by_128 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    const __m128i by_64 = _mm_set_epi64x(0, 0x0163cd6124), barrett = _mm_set_epi64x(0x01f7011641, 0x01db710641);
    const __m128i low_word = _mm_setr_epi32(-1, 0, -1, 0), *at = (const __m128i *)data;
    __m128i v[4];
    for (int n = 0; n < 4; n++)
        v[n] = _mm_loadu_si128(at + n);
    v[0] = _mm_xor_si128(v[0], _mm_cvtsi32_si128((int32_t)crc));
    for (at += 4, length -= 64; length >= 64; at += 4, length -= 64)
        for (int n = 0; n < 4; n++)
            v[n] = fold(v[n], by_512, _mm_loadu_si128(at + n));
    for (int n = 1; n < 4; n++)
        v[0] = fold(v[0], by_128, v[n]);
    for (; length >= 16; at++, length -= 16)
        v[0] = fold(v[0], by_128, _mm_loadu_si128(at));
    __m128i r = _mm_xor_si128(_mm_clmulepi64_si128(v[0], by_128, 0x10), _mm_srli_si128(v[0], 8));
    r = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(r, low_word), by_64, 0x00), _mm_srli_si128(r, 4));
    __m128i q = _mm_clmulepi64_si128(_mm_and_si128(r, low_word), barrett, 0x10);
    q = _mm_clmulepi64_si128(_mm_and_si128(q, low_word), barrett, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(r, q), 1);
}
#endif

static int fast_crc(void) {
#ifdef WITH_X86
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
#else
    return 0;
#endif
}

/* The checksum's register over any data: folded where that can be done, bit by bit for the rest. */
static uint32_t crc_register(uint32_t crc, const uint8_t *data, Py_ssize_t length) {
#ifdef WITH_X86
    if (length >= 64 && fast_crc()) {
        const Py_ssize_t whole = length & ~(Py_ssize_t)15;
        crc = crc_folded(crc, data, whole);
        data += whole, length -= whole;
    }
#endif
    for (; length > 0; data++, length--) {
        crc ^= *data;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xEDB88320u & (0u - (crc & 1)));
    }
    return crc;
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

static PyMethodDef methods[] = {
    {"normalise", normalise, METH_VARARGS, "out[c] = table[c][clip[c]] for each channel c."},
    {"crc32", crc32, METH_VARARGS, "zlib.crc32(data); fast only where `fast_crc32` is true."},
    {NULL, NULL, 0, NULL},
};

static int prepare(PyObject *module) {
    return PyModule_AddIntConstant(module, "fast_crc32", fast_crc()) || PyModule_AddIntConstant(module, "INTERFACE", 1);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, prepare}, {0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_feed", NULL, 0, methods, slots, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__feed(void) { return PyModuleDef_Init(&module); }
