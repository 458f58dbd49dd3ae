/* What reading a clip costs, in one call without the interpreter: bytes off the disk's cache, their checksum, and
   float32 of them as the reference normalises.

   Plain C, and AVX2, FMA or carry-less multiplication where the processor has them. The GIL is released for all of it. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__) && defined(__GNUC__) && !defined(PLAIN)
#define WITH_X86
#include <immintrin.h>
#endif

#define LEVELS 256
#define PIECE (96 * 1024) /* read, checked and normalised while it lies in a core's own cache */

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

#define FMA __attribute__((target("avx2,fma")))

/* x / d, rounded as the division rounds: the quotient by the reciprocal, corrected by its own remainder, which a fused
   multiply-add gives exactly (P. Markstein, "IA-64 and Elementary Functions", 2000). `fits` proves it for our bytes. */
FMA static inline __m256 over(__m256 x, __m256 d, __m256 reciprocal) {
    const __m256 quotient = _mm256_mul_ps(x, reciprocal);
    return _mm256_fmadd_ps(_mm256_fnmadd_ps(quotient, d, x), reciprocal, quotient);
}

/* ((byte / 255) - mean) / std, each step in float32: half the time of eight look-ups. `to` at a multiple of 32. */
FMA static Py_ssize_t compute(const uint8_t *restrict from, float mean, float std, float *restrict to, Py_ssize_t length) {
    const __m256 most = _mm256_set1_ps(255), by_most = _mm256_set1_ps(1.0f / 255);
    const __m256 means = _mm256_set1_ps(mean), stds = _mm256_set1_ps(std), by_std = _mm256_set1_ps(1.0f / std);
    Py_ssize_t n = 0;
    for (; n + 8 <= length; n += 8) {
        const __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(from + n)));
        const __m256 share = over(_mm256_cvtepi32_ps(bytes), most, by_most);
        _mm256_stream_ps(to + n, over(_mm256_sub_ps(share, means), stds, by_std));
    }
    _mm_sfence();
    return n;
}

static int computes(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif

/* One channel's bytes. `constants` are its mean and std, null where only the table tells. */
static void normalise_plane(const uint8_t *from, const float *table, const float *constants, float *to, Py_ssize_t length) {
#ifdef WITH_X86
    if (constants != NULL && computes()) {
        const Py_ssize_t lead = (Py_ssize_t)(-((uintptr_t)to >> 2) & 7), first = lead < length ? lead : length;
        look_up(from, table, to, first);
        const Py_ssize_t done = first + compute(from + first, constants[0], constants[1], to + first, length - first);
        look_up(from + done, table, to + done, length - done);
        return;
    }
    if (__builtin_cpu_supports("avx2")) {
        look_up_avx2(from, table, to, length);
        return;
    }
#endif
    (void)constants;
    look_up(from, table, to, length);
}

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

#ifdef WITH_X86
/* CRC-32 of zlib, by folding 64 or 128 bytes at a time with carry-less products: V. Gopal and others, "Fast CRC
   Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel, 2009; constants are its powers of x,
   bit-reflected: of a fold by n bits, x^(n + 32) and x^(n - 32) modulo the polynomial. */
#define CLMUL __attribute__((target("pclmul,sse4.1")))

CLMUL static inline __m128i fold(__m128i value, __m128i by, __m128i next) {
    const __m128i low = _mm_clmulepi64_si128(value, by, 0x00), high = _mm_clmulepi64_si128(value, by, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* What is left of the register once `v` is all before `at`. `length` is a multiple of 16. */
CLMUL static uint32_t crc_rest(__m128i v, const __m128i *at, Py_ssize_t length) {
    const __m128i by_128 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0), low_word = _mm_setr_epi32(-1, 0, -1, 0);
    const __m128i by_64 = _mm_set_epi64x(0, 0x0163cd6124), barrett = _mm_set_epi64x(0x01f7011641, 0x01db710641);
    for (; length >= 16; at++, length -= 16)
        v = fold(v, by_128, _mm_loadu_si128(at));
    __m128i r = _mm_xor_si128(_mm_clmulepi64_si128(v, by_128, 0x10), _mm_srli_si128(v, 8));
    r = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(r, low_word), by_64, 0x00), _mm_srli_si128(r, 4));
    __m128i q = _mm_clmulepi64_si128(_mm_and_si128(r, low_word), barrett, 0x10);
    q = _mm_clmulepi64_si128(_mm_and_si128(q, low_word), barrett, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(r, q), 1);
}

/* `length` is a multiple of 16 and at least 64; `crc` is the register, not the complemented value. */
CLMUL static uint32_t crc_folded(uint32_t crc, const uint8_t *data, Py_ssize_t length) {
    const __m128i by_512 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4), by_128 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    const __m128i *at = (const __m128i *)data;
    __m128i v[4];
    for (int n = 0; n < 4; n++)
        v[n] = _mm_loadu_si128(at + n);
    v[0] = _mm_xor_si128(v[0], _mm_cvtsi32_si128((int32_t)crc));
    for (at += 4, length -= 64; length >= 64; at += 4, length -= 64)
        for (int n = 0; n < 4; n++)
            v[n] = fold(v[n], by_512, _mm_loadu_si128(at + n));
    for (int n = 1; n < 4; n++)
        v[0] = fold(v[0], by_128, v[n]);
    return crc_rest(v[0], at, length);
}

#if __GNUC__ >= 8 || defined(__clang__)
#define WITH_WIDE
#define WIDE __attribute__((target("vpclmulqdq,avx2,pclmul,sse4.1")))

WIDE static inline __m256i fold_wide(__m256i value, __m256i by, __m256i next) {
    const __m256i low = _mm256_clmulepi64_epi128(value, by, 0x00), high = _mm256_clmulepi64_epi128(value, by, 0x11);
    return _mm256_xor_si256(_mm256_xor_si256(low, high), next);
}

/* The same with products of two at once, in half the time; `length` is at least 128. */
WIDE static uint32_t crc_wide(uint32_t crc, const uint8_t *data, Py_ssize_t length) {
    const __m256i by_1024 = _mm256_set_epi64x(0x014a7fe880, 0x01e88ef372, 0x014a7fe880, 0x01e88ef372);
    const __m256i by_256 = _mm256_set_epi64x(0x015a546366, 0x00f1da05aa, 0x015a546366, 0x00f1da05aa);
    const __m256i *at = (const __m256i *)data;
    __m256i v[4];
    for (int n = 0; n < 4; n++)
        v[n] = _mm256_loadu_si256(at + n);
    v[0] = _mm256_xor_si256(v[0], _mm256_setr_epi32((int32_t)crc, 0, 0, 0, 0, 0, 0, 0));
    for (at += 4, length -= 128; length >= 128; at += 4, length -= 128)
        for (int n = 0; n < 4; n++)
            v[n] = fold_wide(v[n], by_1024, _mm256_loadu_si256(at + n));
    for (int n = 1; n < 4; n++)
        v[0] = fold_wide(v[0], by_256, v[n]);
    const __m128i by_128 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    return crc_rest(fold(_mm256_castsi256_si128(v[0]), by_128, _mm256_extracti128_si256(v[0], 1)), (const __m128i *)at, length);
}

static int wide(void) { return __builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("avx2"); }
#endif
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
    const Py_ssize_t whole = length & ~(Py_ssize_t)15;
    int done = 0;
#ifdef WITH_WIDE
    if (!done && length >= 128 && wide())
        crc = crc_wide(crc, data, whole), done = 1;
#endif
    if (!done && length >= 64 && fast_crc())
        crc = crc_folded(crc, data, whole), done = 1;
    if (done)
        data += whole, length -= whole;
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
