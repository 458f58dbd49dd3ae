/* Antialiased bilinear resize and centre crop of 8-bit RGB, computing only what the crop keeps.

   The weights come from resample.py. Columns first, rows second, a byte in between, as Pillow does it, so that the
   bytes are the same. Plain C; AVX2 where the processor has it; NEON on aarch64. `_resize.c` makes it a module; the
   tests compile it for other processors without Python. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__) && defined(__GNUC__) && !defined(PLAIN)
#define WITH_AVX2
#include <immintrin.h>
#elif defined(__aarch64__) && defined(__GNUC__) && !defined(PLAIN)
#define WITH_NEON
#include <arm_neon.h>
#endif

#define BITS 22
#define HALF (1 << (BITS - 1))
#define PIXEL 4 /* bytes of a pixel between the passes: red, green, blue and nothing */
#define MOST_WORDS 8 /* of the packed weights of five taps */
#define ROOM 32 /* bytes beyond the source and beyond the middle that the last piece may touch */

typedef struct {
    int taps, length;
    const int32_t *starts;  /* first source sample of each result */
    const int32_t *weights; /* taps of each result */
} axis;

typedef struct {
    const uint8_t *source; /* height x width x 3, and ROOM */
    int width, first_row, end_row;
    axis columns, rows;
    uint8_t *middle;  /* (end_row - first_row) x columns.length x PIXEL, and ROOM */
    int32_t *packed;  /* weights of the columns, as pack_weights lays them out */
    uint8_t *out;     /* three planes of rows.length x columns.length */
    ptrdiff_t plane; /* bytes from plane to plane */
} work;

static void columns_plain(const work *w) {
    const int taps = w->columns.taps;
    uint8_t *to = w->middle;
    for (int y = w->first_row; y < w->end_row; y++) {
        const uint8_t *row = w->source + (ptrdiff_t)y * w->width * 3;
        const int32_t *weight = w->columns.weights;
        for (int x = 0; x < w->columns.length; x++, weight += taps, to += PIXEL) {
            const uint8_t *from = row + w->columns.starts[x] * 3;
            int32_t red = HALF, green = HALF, blue = HALF;
            for (int t = 0; t < taps; t++, from += 3) {
                red += from[0] * weight[t];
                green += from[1] * weight[t];
                blue += from[2] * weight[t];
            }
            to[0] = (uint8_t)(red >> BITS), to[1] = (uint8_t)(green >> BITS), to[2] = (uint8_t)(blue >> BITS);
            to[3] = 0;
        }
    }
}

/* Pixels `begin` and on of row y of the result. */
static void row_plain(const work *w, int y, int begin) {
    const int width = w->columns.length, stride = width * PIXEL, taps = w->rows.taps;
    const uint8_t *first = w->middle + (ptrdiff_t)(w->rows.starts[y] - w->first_row) * stride;
    const int32_t *weight = w->rows.weights + (ptrdiff_t)y * taps;
    uint8_t *to = w->out + (ptrdiff_t)y * width;
    for (int x = begin; x < width; x++) {
        const uint8_t *from = first + x * PIXEL;
        int32_t red = HALF, green = HALF, blue = HALF;
        for (int t = 0; t < taps; t++, from += stride) {
            red += from[0] * weight[t];
            green += from[1] * weight[t];
            blue += from[2] * weight[t];
        }
        to[x] = (uint8_t)(red >> BITS);
        to[x + w->plane] = (uint8_t)(green >> BITS);
        to[x + 2 * w->plane] = (uint8_t)(blue >> BITS);
    }
}

#ifdef WITH_AVX2
#define AVX2 __attribute__((target("avx2")))
#define INLINE_AVX2 AVX2 static inline __attribute__((always_inline))
#define LOW_BITS 11 /* a weight is at most 2^22: high * 2^11 + low, both of which fit the 16 bits of a multiply-add */
#define GROUP 5     /* taps of one load: sixteen bytes hold five pixels */
#define WORDS 6     /* words of a group's packed weights */
#define ROWS 4      /* rows at once */

static inline int32_t pair(int32_t first, int32_t second) {
    return (int32_t)((uint32_t)(first & 0xFFFF) | (uint32_t)second << 16);
}

/* Five taps become six words: the high parts of taps 0 and 1, of 2 and 3, of 4; and so the low parts. */
static void pack_weights(const axis *a, int groups, int32_t *to) {
    const int32_t low = (1 << LOW_BITS) - 1;
    for (int x = 0; x < a->length; x++)
        for (int g = 0; g < groups; g++, to += WORDS) {
            int32_t k[GROUP + 1] = {0};
            for (int t = 0; t < GROUP && g * GROUP + t < a->taps; t++)
                k[t] = a->weights[(ptrdiff_t)x * a->taps + g * GROUP + t];
            for (int t = 0; t < 3; t++) {
                to[t] = pair(k[2 * t] >> LOW_BITS, k[2 * t + 1] >> LOW_BITS);
                to[t + 3] = pair(k[2 * t] & low, k[2 * t + 1] & low);
            }
        }
}

INLINE_AVX2 __m256i two_rows(const uint8_t *a, const uint8_t *b) {
    const __m256i first = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)a));
    return _mm256_inserti128_si256(first, _mm_loadu_si128((const __m128i *)b), 1);
}

/* Bytes of five pixels in each half of a register to 16-bit pairs of one colour, for a multiply-add. */
#define BOTH_HALVES(...) _mm256_broadcastsi128_si256(_mm_setr_epi8(__VA_ARGS__))
#define PIXELS_0_1 BOTH_HALVES(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1)
#define PIXELS_2_3 BOTH_HALVES(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1)
#define PIXEL_4 BOTH_HALVES(12, -1, -1, -1, 13, -1, -1, -1, 14, -1, -1, -1, -1, -1, -1, -1)
#define LOW_BYTES BOTH_HALVES(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1)

typedef struct {
    __m256i high, low;
} sums;

/* Adds to both sums one pair of taps of four rows: a weight is loaded once for all of them. */
INLINE_AVX2 void add_pair(__m256i a, __m256i b, const int32_t *k, sums *to_a, sums *to_b) {
    const __m256i high = _mm256_set1_epi32(k[0]), low = _mm256_set1_epi32(k[3]);
    to_a->high = _mm256_add_epi32(to_a->high, _mm256_madd_epi16(a, high));
    to_b->high = _mm256_add_epi32(to_b->high, _mm256_madd_epi16(b, high));
    to_a->low = _mm256_add_epi32(to_a->low, _mm256_madd_epi16(a, low));
    to_b->low = _mm256_add_epi32(to_b->low, _mm256_madd_epi16(b, low));
}

INLINE_AVX2 void store_two(sums of, uint8_t *a, uint8_t *b) {
    const __m256i sum = _mm256_add_epi32(of.low, _mm256_slli_epi32(of.high, LOW_BITS));
    const __m256i done = _mm256_shuffle_epi8(_mm256_srli_epi32(sum, BITS), LOW_BYTES);
    const int32_t done_a = _mm_cvtsi128_si32(_mm256_castsi256_si128(done));
    const int32_t done_b = _mm_cvtsi128_si32(_mm256_extracti128_si256(done, 1));
    memcpy(a, &done_a, 4);
    memcpy(b, &done_b, 4);
}

/* Four rows at once, two to a register: lanes 0 to 2 of each half are red, green and blue of the sum. */
INLINE_AVX2 void columns_groups(const work *w, int groups) {
    const ptrdiff_t stride = (ptrdiff_t)w->width * 3, middle_stride = (ptrdiff_t)w->columns.length * PIXEL;
    const int length = w->columns.length;
    for (int y = w->first_row; y < w->end_row; y += ROWS) {
        const uint8_t *from[ROWS];
        uint8_t *to[ROWS];
        for (int r = 0; r < ROWS; r++) { /* beyond the last row: the last row again */
            const int row = y + r < w->end_row ? y + r : w->end_row - 1;
            from[r] = w->source + row * stride;
            to[r] = w->middle + (row - w->first_row) * middle_stride;
        }
        const int32_t *packed = w->packed;
        for (int x = 0; x < length; x++) {
            ptrdiff_t at = (ptrdiff_t)w->columns.starts[x] * 3;
            sums sum_a = {_mm256_setzero_si256(), _mm256_set1_epi32(HALF)}, sum_b = sum_a;
            for (int g = 0; g < groups; g++, at += GROUP * 3, packed += WORDS) {
                const __m256i a = two_rows(from[0] + at, from[1] + at), b = two_rows(from[2] + at, from[3] + at);
                const __m256i order[3] = {PIXELS_0_1, PIXELS_2_3, PIXEL_4};
                for (int t = 0; t < 3; t++)
                    add_pair(_mm256_shuffle_epi8(a, order[t]), _mm256_shuffle_epi8(b, order[t]), packed + t, &sum_a,
                             &sum_b);
            }
            store_two(sum_a, to[0] + x * PIXEL, to[1] + x * PIXEL);
            store_two(sum_b, to[2] + x * PIXEL, to[3] + x * PIXEL);
        }
    }
}

AVX2 static void columns_avx2(const work *w, int groups) {
    if (groups == 1) /* frames of up to 280 lines */
        columns_groups(w, 1);
    else
        columns_groups(w, groups);
}

/* Four pixels at once. */
INLINE_AVX2 void row_taps(const work *w, int y, int taps) {
    const int width = w->columns.length, stride = width * PIXEL;
    const uint8_t *first = w->middle + (ptrdiff_t)(w->rows.starts[y] - w->first_row) * stride;
    const int32_t *weight = w->rows.weights + (ptrdiff_t)y * taps;
    const __m128i apart = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, -1, -1, -1, -1);
    uint8_t *to = w->out + (ptrdiff_t)y * width;
    int x = 0;
    for (; x + 4 <= width; x += 4) {
        const uint8_t *from = first + x * PIXEL;
        __m256i low = _mm256_set1_epi32(HALF), high = low;
        for (int t = 0; t < taps; t++, from += stride) {
            const __m256i by = _mm256_set1_epi32(weight[t]);
            const __m256i p = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)from));
            const __m256i q = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(from + 8)));
            low = _mm256_add_epi32(low, _mm256_mullo_epi32(p, by));
            high = _mm256_add_epi32(high, _mm256_mullo_epi32(q, by));
        }
        const __m256i words = _mm256_permute4x64_epi64(
            _mm256_packus_epi32(_mm256_srli_epi32(low, BITS), _mm256_srli_epi32(high, BITS)), 0xD8);
        const __m128i mixed = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        const __m128i done = _mm_shuffle_epi8(mixed, apart);
        const int32_t red = _mm_cvtsi128_si32(done), green = _mm_extract_epi32(done, 1);
        const int32_t blue = _mm_extract_epi32(done, 2);
        memcpy(to + x, &red, 4);
        memcpy(to + x + w->plane, &green, 4);
        memcpy(to + x + 2 * w->plane, &blue, 4);
    }
    row_plain(w, y, x);
}

AVX2 static void row_avx2(const work *w, int y) {
    if (w->rows.taps == 5) /* frames of 240 lines */
        row_taps(w, y, 5);
    else
        row_taps(w, y, w->rows.taps);
}
#endif

#ifdef WITH_NEON
#define GROUP 5 /* taps of one load: sixteen bytes hold five pixels */
#define WORDS 8 /* words of a group's packed weights: two registers */
#define ROWS 2  /* rows at once: a weight is loaded once for both */

/* Five taps, and three of nothing. */
static void pack_weights(const axis *a, int groups, int32_t *to) {
    for (int x = 0; x < a->length; x++)
        for (int g = 0; g < groups; g++, to += WORDS)
            for (int t = 0; t < WORDS; t++) {
                const int tap = g * GROUP + t;
                to[t] = t < GROUP && tap < a->taps ? a->weights[(ptrdiff_t)x * a->taps + tap] : 0;
            }
}

/* Byte indices that spread pixel n of sixteen bytes over four 32-bit lanes; 255 gives nothing. */
#define LANES(b) {b, 255, 255, 255, b + 1, 255, 255, 255, b + 2, 255, 255, 255, 255, 255, 255, 255}
static const uint8_t PIXELS[GROUP][16] = {LANES(0), LANES(3), LANES(6), LANES(9), LANES(12)};
#define WORD(b) {b, 255, 255, 255, b + 1, 255, 255, 255, b + 2, 255, 255, 255, b + 3, 255, 255, 255}
static const uint8_t QUARTERS[4][16] = {WORD(0), WORD(4), WORD(8), WORD(12)};
static const uint8_t APART[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 255, 255, 255, 255};

static inline uint32x4_t spread(uint8x16_t bytes, uint8x16_t order) {
    return vreinterpretq_u32_u8(vqtbl1q_u8(bytes, order));
}

/* The five taps of sixteen bytes, by the weights of both registers. */
static inline uint32x4_t add_group(uint32x4_t sum, uint8x16_t bytes, const uint8x16_t *order, uint32x4_t k, uint32x4_t last) {
    sum = vmlaq_laneq_u32(sum, spread(bytes, order[0]), k, 0);
    sum = vmlaq_laneq_u32(sum, spread(bytes, order[1]), k, 1);
    sum = vmlaq_laneq_u32(sum, spread(bytes, order[2]), k, 2);
    sum = vmlaq_laneq_u32(sum, spread(bytes, order[3]), k, 3);
    return vmlaq_laneq_u32(sum, spread(bytes, order[4]), last, 0);
}

/* Four sums, each below 2^30, to four bytes: bits 22 to 29. */
static inline uint32_t to_bytes(uint32x4_t sum) {
    const uint16x4_t half = vshrn_n_u32(sum, 16);
    return vget_lane_u32(vreinterpret_u32_u8(vshrn_n_u16(vcombine_u16(half, half), BITS - 16)), 0);
}

static inline __attribute__((always_inline)) void columns_groups(const work *w, int groups) {
    const ptrdiff_t stride = (ptrdiff_t)w->width * 3, middle_stride = (ptrdiff_t)w->columns.length * PIXEL;
    uint8x16_t order[GROUP];
    for (int n = 0; n < GROUP; n++)
        order[n] = vld1q_u8(PIXELS[n]);
    for (int y = w->first_row; y < w->end_row; y += ROWS) {
        const int second = y + 1 < w->end_row ? y + 1 : y; /* beyond the last row: the last row again */
        const uint8_t *from_a = w->source + y * stride, *from_b = w->source + second * stride;
        uint8_t *to_a = w->middle + (y - w->first_row) * middle_stride;
        uint8_t *to_b = w->middle + (second - w->first_row) * middle_stride;
        const uint32_t *packed = (const uint32_t *)w->packed;
        for (int x = 0; x < w->columns.length; x++) {
            ptrdiff_t at = (ptrdiff_t)w->columns.starts[x] * 3;
            uint32x4_t sum_a = vdupq_n_u32(HALF), sum_b = sum_a;
            for (int g = 0; g < groups; g++, at += GROUP * 3, packed += WORDS) {
                const uint32x4_t k = vld1q_u32(packed), last = vld1q_u32(packed + 4);
                sum_a = add_group(sum_a, vld1q_u8(from_a + at), order, k, last);
                sum_b = add_group(sum_b, vld1q_u8(from_b + at), order, k, last);
            }
            const uint32_t done_a = to_bytes(sum_a), done_b = to_bytes(sum_b);
            memcpy(to_a + x * PIXEL, &done_a, 4);
            memcpy(to_b + x * PIXEL, &done_b, 4);
        }
    }
}

static void columns_neon(const work *w, int groups) {
    if (groups == 1) /* frames of up to 280 lines */
        columns_groups(w, 1);
    else
        columns_groups(w, groups);
}

/* Four pixels at once. */
static inline __attribute__((always_inline)) void row_taps(const work *w, int y, int taps) {
    const int width = w->columns.length, stride = width * PIXEL;
    const uint8_t *first = w->middle + (ptrdiff_t)(w->rows.starts[y] - w->first_row) * stride;
    const int32_t *weight = w->rows.weights + (ptrdiff_t)y * taps;
    const uint8x16_t apart = vld1q_u8(APART);
    uint8x16_t quarter[4];
    for (int n = 0; n < 4; n++)
        quarter[n] = vld1q_u8(QUARTERS[n]);
    uint8_t *to = w->out + (ptrdiff_t)y * width;
    int x = 0;
    for (; x + 4 <= width; x += 4) {
        const uint8_t *from = first + x * PIXEL;
        uint32x4_t sum[4];
        for (int n = 0; n < 4; n++)
            sum[n] = vdupq_n_u32(HALF);
        for (int t = 0; t < taps; t++, from += stride) {
            const uint8x16_t bytes = vld1q_u8(from);
            const uint32_t by = (uint32_t)weight[t];
            for (int n = 0; n < 4; n++)
                sum[n] = vmlaq_n_u32(sum[n], spread(bytes, quarter[n]), by);
        }
        const uint16x8_t low = vcombine_u16(vshrn_n_u32(sum[0], 16), vshrn_n_u32(sum[1], 16));
        const uint16x8_t high = vcombine_u16(vshrn_n_u32(sum[2], 16), vshrn_n_u32(sum[3], 16));
        const uint8x16_t mixed = vcombine_u8(vshrn_n_u16(low, BITS - 16), vshrn_n_u16(high, BITS - 16));
        const uint32x4_t done = vreinterpretq_u32_u8(vqtbl1q_u8(mixed, apart));
        vst1q_lane_u32((uint32_t *)(void *)(to + x), done, 0);
        vst1q_lane_u32((uint32_t *)(void *)(to + x + w->plane), done, 1);
        vst1q_lane_u32((uint32_t *)(void *)(to + x + 2 * w->plane), done, 2);
    }
    row_plain(w, y, x);
}

static void row_neon(const work *w, int y) {
    if (w->rows.taps == 5) /* frames of 240 lines */
        row_taps(w, y, 5);
    else
        row_taps(w, y, w->rows.taps);
}
#endif

static void resize(const work *w) {
#ifdef WITH_AVX2
    if (__builtin_cpu_supports("avx2")) {
        const int groups = (w->columns.taps + GROUP - 1) / GROUP;
        pack_weights(&w->columns, groups, w->packed);
        columns_avx2(w, groups);
        for (int y = 0; y < w->rows.length; y++)
            row_avx2(w, y);
        return;
    }
#elif defined(WITH_NEON)
    const int groups = (w->columns.taps + GROUP - 1) / GROUP;
    pack_weights(&w->columns, groups, w->packed);
    columns_neon(w, groups);
    for (int y = 0; y < w->rows.length; y++)
        row_neon(w, y);
    return;
#endif
    columns_plain(w);
    for (int y = 0; y < w->rows.length; y++)
        row_plain(w, y, 0);
}

static int allocate_and_resize(work *w) {
    w->first_row = INT32_MAX;
    for (int y = 0; y < w->rows.length; y++) {
        const int start = w->rows.starts[y];
        w->first_row = start < w->first_row ? start : w->first_row;
        w->end_row = start + w->rows.taps > w->end_row ? start + w->rows.taps : w->end_row;
    }
    const size_t packed = (size_t)w->columns.length * (w->columns.taps / 5 + 1) * MOST_WORDS * sizeof(int32_t);
    w->packed = malloc(packed + (size_t)(w->end_row - w->first_row) * w->columns.length * PIXEL + ROOM);
    if (w->packed == NULL)
        return 0;
    w->middle = (uint8_t *)w->packed + packed;
    resize(w);
    free(w->packed);
    return 1;
}

/* Whether every tap stays inside the source and the tables are as long as they must be. */
static int fits(const axis *a, int source, ptrdiff_t start_bytes, ptrdiff_t weight_bytes) {
    if (a->taps < 1 || a->taps > source || start_bytes != (ptrdiff_t)a->length * 4 ||
        weight_bytes != (ptrdiff_t)a->length * a->taps * 4)
        return 0;
    for (int n = 0; n < a->length; n++)
        if (a->starts[n] < 0 || a->starts[n] > source - a->taps)
            return 0;
    return 1;
}
