/* Antialiased bilinear resize and centre crop of 8-bit RGB, computing only what the crop keeps.

   The weights come from resample.py. Columns first, rows second, a byte in between, as Pillow does it, so that the
   bytes are the same; written with GNU vectors of eight 32-bit lanes, which become AVX2 where the processor has it
   and whatever the compiler finds best elsewhere (NEON on aarch64). The GIL is released for all of the work. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define BITS 22
#define HALF (1 << (BITS - 1))
#define ROOM 16 /* bytes beyond a line that the last piece may touch */
#define PIXEL 4 /* bytes of a pixel between the passes: red, green, blue, and one for alignment */

typedef struct {
    int taps, length;
    const int32_t *spans;   /* (start, count) of each result */
    const int32_t *weights; /* taps of each result */
} axis;

typedef struct {
    const uint8_t *source; /* height x width x 3, and at least one byte more */
    int width, first_row, end_row;
    axis columns, rows;
    uint8_t *middle; /* (end_row - first_row) x columns.length x PIXEL */
    uint8_t *out;    /* three planes of rows.length x columns.length */
    Py_ssize_t plane;
} work;

static void columns_pass(const work *w) {
    const Py_ssize_t stride = (Py_ssize_t)w->width * 3;
    uint8_t *to = w->middle;
    for (int y = w->first_row; y < w->end_row; y++) {
        const int32_t *weight = w->columns.weights;
        for (int x = 0; x < w->columns.length; x++, weight += w->columns.taps, to += PIXEL) {
            const uint8_t *from = w->source + y * stride + w->columns.spans[2 * x] * 3;
            const int count = w->columns.spans[2 * x + 1];
            int32_t red = HALF, green = HALF, blue = HALF;
            for (int t = 0; t < count; t++, from += 3) {
                red += from[0] * weight[t];
                green += from[1] * weight[t];
                blue += from[2] * weight[t];
            }
            to[0] = (uint8_t)(red >> BITS), to[1] = (uint8_t)(green >> BITS), to[2] = (uint8_t)(blue >> BITS);
            to[3] = 0;
        }
    }
}

static void rows_line(const work *w, int y, uint8_t *line) {
    const int stride = w->columns.length * PIXEL, count = w->rows.spans[2 * y + 1];
    const uint8_t *first = w->middle + (Py_ssize_t)(w->rows.spans[2 * y] - w->first_row) * stride;
    const int32_t *weight = w->rows.weights + (Py_ssize_t)y * w->rows.taps;
    for (int x = 0; x < stride; x++) {
        int32_t sum = HALF;
        for (int t = 0; t < count; t++)
            sum += first[x + t * stride] * weight[t];
        line[x] = (uint8_t)(sum >> BITS);
    }
}

static void spread(const work *w, int y, const uint8_t *line) {
    const int width = w->columns.length;
    uint8_t *red = w->out + (Py_ssize_t)y * width, *green = red + w->plane, *blue = green + w->plane;
    for (int x = 0; x < width; x++) {
        red[x] = line[PIXEL * x];
        green[x] = line[PIXEL * x + 1];
        blue[x] = line[PIXEL * x + 2];
    }
}

#if defined(__x86_64__)
static inline int32_t word(const uint8_t *from) {
    int32_t value;
    memcpy(&value, from, 4);
    return value;
}

/* Two rows at once: lanes 0-2 are a pixel of the first, lanes 4-6 of the second; 3 and 7 hold nothing of meaning. */
__attribute__((target("avx2"))) static void columns_pass_avx2(const work *w) {
    const Py_ssize_t stride = (Py_ssize_t)w->width * 3, middle_stride = (Py_ssize_t)w->columns.length * PIXEL;
    const __m256i bytes = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
    for (int y = w->first_row; y < w->end_row; y += 2) {
        const int pair = y + 1 < w->end_row;
        const uint8_t *a = w->source + y * stride, *b = pair ? a + stride : a;
        uint8_t *to_a = w->middle + (y - w->first_row) * middle_stride, *to_b = pair ? to_a + middle_stride : to_a;
        const int32_t *weight = w->columns.weights;
        for (int x = 0; x < w->columns.length; x++, weight += w->columns.taps) {
            const int start = w->columns.spans[2 * x] * 3, count = w->columns.spans[2 * x + 1];
            __m256i sum = _mm256_set1_epi32(HALF);
            for (int t = 0; t < count; t++) {
                const __m128i both = _mm_insert_epi32(_mm_cvtsi32_si128(word(a + start + 3 * t)),
                                                      word(b + start + 3 * t), 1);
                const __m256i pixels = _mm256_cvtepu8_epi32(both);
                sum = _mm256_add_epi32(sum, _mm256_mullo_epi32(pixels, _mm256_set1_epi32(weight[t])));
            }
            sum = _mm256_shuffle_epi8(_mm256_srli_epi32(sum, BITS), bytes);
            const int32_t done_a = _mm_cvtsi128_si32(_mm256_castsi256_si128(sum));
            const int32_t done_b = _mm_cvtsi128_si32(_mm256_extracti128_si256(sum, 1));
            memcpy(to_a + x * PIXEL, &done_a, 4);
            memcpy(to_b + x * PIXEL, &done_b, 4);
        }
    }
}

__attribute__((target("avx2"))) static void rows_line_avx2(const work *w, int y, uint8_t *line) {
    const int stride = w->columns.length * PIXEL, count = w->rows.spans[2 * y + 1];
    const uint8_t *first = w->middle + (Py_ssize_t)(w->rows.spans[2 * y] - w->first_row) * stride;
    const int32_t *weight = w->rows.weights + (Py_ssize_t)y * w->rows.taps;
    for (int x = 0; x < stride; x += 16) { /* middle and line have room for a last piece that is not whole */
        const uint8_t *from = first + x;
        __m256i low = _mm256_set1_epi32(HALF), high = low;
        for (int t = 0; t < count; t++, from += stride) {
            const __m128i pixels = _mm_loadu_si128((const __m128i *)from);
            const __m256i by = _mm256_set1_epi32(weight[t]);
            low = _mm256_add_epi32(low, _mm256_mullo_epi32(_mm256_cvtepu8_epi32(pixels), by));
            high = _mm256_add_epi32(high, _mm256_mullo_epi32(_mm256_cvtepu8_epi32(_mm_srli_si128(pixels, 8)), by));
        }
        const __m256i words = _mm256_permute4x64_epi64(
            _mm256_packus_epi32(_mm256_srli_epi32(low, BITS), _mm256_srli_epi32(high, BITS)), 0xD8);
        const __m128i done = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        _mm_storeu_si128((__m128i *)(line + x), done);
    }
}
#endif

static void run(const work *w, uint8_t *line) {
    void (*columns)(const work *) = columns_pass;
    void (*row)(const work *, int, uint8_t *) = rows_line;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        columns = columns_pass_avx2, row = rows_line_avx2;
#endif
    columns(w);
    for (int y = 0; y < w->rows.length; y++) {
        row(w, y, line);
        spread(w, y, line);
    }
}

/* Whether every span stays inside the source and the tables are as long as they must be. */
static int fits(const axis *a, int source, Py_ssize_t span_bytes, Py_ssize_t weight_bytes) {
    if (a->taps < 1 || span_bytes != (Py_ssize_t)a->length * 8 ||
        weight_bytes != (Py_ssize_t)a->length * a->taps * 4)
        return 0;
    for (int n = 0; n < a->length; n++) {
        const int start = a->spans[2 * n], count = a->spans[2 * n + 1];
        if (start < 0 || count < 0 || count > a->taps || start > source - count)
            return 0;
    }
    return 1;
}

static int allocate_and_run(work *w) {
    w->first_row = w->rows.spans[0];
    w->end_row = w->first_row;
    for (int y = 0; y < w->rows.length; y++) {
        const int start = w->rows.spans[2 * y], end = start + w->rows.spans[2 * y + 1];
        w->first_row = start < w->first_row ? start : w->first_row;
        w->end_row = end > w->end_row ? end : w->end_row;
    }
    const size_t line = (size_t)w->columns.length * PIXEL + ROOM;
    const size_t middle = (size_t)(w->end_row - w->first_row) * w->columns.length * PIXEL + ROOM;
    w->middle = malloc(middle + line);
    if (w->middle == NULL)
        return 0;
    run(w, w->middle + middle);
    free(w->middle);
    return 1;
}

static PyObject *resize_crop(PyObject *self, PyObject *args) {
    Py_buffer source, column_spans, column_weights, row_spans, row_weights, out;
    int height, width, size;
    Py_ssize_t offset, plane;
    work w;
    (void)self;
    memset(&w, 0, sizeof w);
    if (!PyArg_ParseTuple(args, "y*iiiy*y*iy*y*iw*nn", &source, &height, &width, &w.columns.taps, &column_spans,
                          &column_weights, &w.rows.taps, &row_spans, &row_weights, &size, &out, &offset, &plane))
        return NULL;
    const Py_ssize_t square = (Py_ssize_t)size * size;
    w.columns.length = w.rows.length = size;
    w.columns.spans = column_spans.buf, w.columns.weights = column_weights.buf;
    w.rows.spans = row_spans.buf, w.rows.weights = row_weights.buf;
    int sound = height > 0 && width > 0 && size > 0 && size <= 4096 && offset >= 0 && plane >= square &&
                source.len > (Py_ssize_t)height * width * 3 && out.len - offset - square >= 2 * plane &&
                fits(&w.columns, width, column_spans.len, column_weights.len) &&
                fits(&w.rows, height, row_spans.len, row_weights.len);
    int done = 0;
    if (sound) {
        w.source = source.buf, w.width = width, w.out = (uint8_t *)out.buf + offset, w.plane = plane;
        Py_BEGIN_ALLOW_THREADS
        done = allocate_and_run(&w);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&source), PyBuffer_Release(&column_spans), PyBuffer_Release(&column_weights);
    PyBuffer_Release(&row_spans), PyBuffer_Release(&row_weights), PyBuffer_Release(&out);
    if (!sound)
        return PyErr_Format(PyExc_ValueError, "sizes, spans and buffers do not fit each other");
    if (!done)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"resize_crop", resize_crop, METH_VARARGS, "Resize and crop one RGB frame into three planes of `out`."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_resize", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__resize(void) { return PyModuleDef_Init(&module); }
