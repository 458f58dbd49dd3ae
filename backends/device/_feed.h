/* A clip's checksum, and float32 of its bytes as the reference normalises.

   Plain C; AVX2, FMA and carry-less multiplication where an x86 processor has them; NEON and the checksum's own
   instruction on aarch64. `_feed.c` makes it a module; the tests compile it for other processors without Python. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__) && defined(__GNUC__) && !defined(PLAIN)
#define WITH_X86
#include <immintrin.h>
#elif defined(__aarch64__) && defined(__linux__) && defined(__GNUC__) && !defined(PLAIN)
#define WITH_ARM
#include <arm_neon.h>
#pragma GCC push_options
#pragma GCC target("+crc")
#include <arm_acle.h>
#pragma GCC pop_options
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#define LEVELS 256

static void look_up(const uint8_t *restrict from, const float *restrict table, float *restrict to, ptrdiff_t length) {
    for (ptrdiff_t n = 0; n < length; n++)
        to[n] = table[from[n]];
}

#ifdef WITH_X86
/* Past the caches: a batch is larger than they are, and what reads it next is a chip's DMA or another core. */
__attribute__((target("avx2"))) static void look_up_avx2(const uint8_t *restrict from, const float *restrict t,
                                                         float *restrict to, ptrdiff_t length) {
    ptrdiff_t n = 0;
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
FMA static ptrdiff_t compute(const uint8_t *restrict from, float mean, float std, float *restrict to, ptrdiff_t length) {
    const __m256 most = _mm256_set1_ps(255), by_most = _mm256_set1_ps(1.0f / 255);
    const __m256 means = _mm256_set1_ps(mean), stds = _mm256_set1_ps(std), by_std = _mm256_set1_ps(1.0f / std);
    ptrdiff_t n = 0;
    for (; n + 8 <= length; n += 8) {
        const __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(from + n)));
        const __m256 share = over(_mm256_cvtepi32_ps(bytes), most, by_most);
        _mm256_stream_ps(to + n, over(_mm256_sub_ps(share, means), stds, by_std));
    }
    _mm_sfence();
    return n;
}

static int computes(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#elif defined(WITH_ARM)
/* As above: x / d by the reciprocal and one correction. */
static inline float32x4_t over(float32x4_t x, float32x4_t d, float32x4_t reciprocal) {
    const float32x4_t quotient = vmulq_f32(x, reciprocal);
    return vfmaq_f32(quotient, vfmsq_f32(x, quotient, d), reciprocal);
}

/* ((byte / 255) - mean) / std, each step in float32. */
static ptrdiff_t compute(const uint8_t *restrict from, float mean, float std, float *restrict to, ptrdiff_t length) {
    const float32x4_t most = vdupq_n_f32(255), by_most = vdupq_n_f32(1.0f / 255);
    const float32x4_t means = vdupq_n_f32(mean), stds = vdupq_n_f32(std), by_std = vdupq_n_f32(1.0f / std);
    ptrdiff_t n = 0;
    for (; n + 16 <= length; n += 16) {
        const uint8x16_t bytes = vld1q_u8(from + n);
        const uint16x8_t low = vmovl_u8(vget_low_u8(bytes)), high = vmovl_u8(vget_high_u8(bytes));
        const uint32x4_t words[4] = {vmovl_u16(vget_low_u16(low)), vmovl_u16(vget_high_u16(low)),
                                     vmovl_u16(vget_low_u16(high)), vmovl_u16(vget_high_u16(high))};
        for (int part = 0; part < 4; part++) {
            const float32x4_t share = over(vcvtq_f32_u32(words[part]), most, by_most);
            vst1q_f32(to + n + 4 * part, over(vsubq_f32(share, means), stds, by_std));
        }
    }
    return n;
}
#endif

/* One channel's bytes. `constants` are its mean and std, null where only the table tells. */
static void normalise_plane(const uint8_t *from, const float *table, const float *constants, float *to, ptrdiff_t length) {
#ifdef WITH_X86
    if (constants != NULL && computes()) {
        const ptrdiff_t lead = (ptrdiff_t)(-((uintptr_t)to >> 2) & 7), first = lead < length ? lead : length;
        look_up(from, table, to, first);
        const ptrdiff_t done = first + compute(from + first, constants[0], constants[1], to + first, length - first);
        look_up(from + done, table, to + done, length - done);
        return;
    }
    if (__builtin_cpu_supports("avx2")) {
        look_up_avx2(from, table, to, length);
        return;
    }
#elif defined(WITH_ARM)
    if (constants != NULL) {
        const ptrdiff_t done = compute(from, constants[0], constants[1], to, length);
        look_up(from + done, table, to + done, length - done);
        return;
    }
#endif
    (void)constants;
    look_up(from, table, to, length);
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
CLMUL static uint32_t crc_rest(__m128i v, const __m128i *at, ptrdiff_t length) {
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
CLMUL static uint32_t crc_folded(uint32_t crc, const uint8_t *data, ptrdiff_t length) {
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
WIDE static uint32_t crc_wide(uint32_t crc, const uint8_t *data, ptrdiff_t length) {
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

#ifdef WITH_ARM
/* The processor's own instruction, of zlib's polynomial: eight bytes each. `length` is a multiple of 16. */
__attribute__((target("+crc"))) static uint32_t crc_instruction(uint32_t crc, const uint8_t *data, ptrdiff_t length) {
    uint64_t w[8];
    for (; length >= 64; data += 64, length -= 64) {
        memcpy(w, data, 64);
        for (int n = 0; n < 8; n++)
            crc = __crc32d(crc, w[n]);
    }
    for (; length > 0; data += 8, length -= 8) {
        memcpy(w, data, 8);
        crc = __crc32d(crc, w[0]);
    }
    return crc;
}
#endif

static int fast_crc(void) {
#ifdef WITH_X86
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
#elif defined(WITH_ARM)
    return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#else
    return 0;
#endif
}

/* The checksum's register over any data: folded where that can be done, bit by bit for the rest. */
static uint32_t crc_register(uint32_t crc, const uint8_t *data, ptrdiff_t length) {
#ifdef WITH_X86
    const ptrdiff_t whole = length & ~(ptrdiff_t)15;
    int done = 0;
#ifdef WITH_WIDE
    if (!done && length >= 128 && wide())
        crc = crc_wide(crc, data, whole), done = 1;
#endif
    if (!done && length >= 64 && fast_crc())
        crc = crc_folded(crc, data, whole), done = 1;
    if (done)
        data += whole, length -= whole;
#elif defined(WITH_ARM)
    const ptrdiff_t whole = length & ~(ptrdiff_t)15;
    if (whole > 0 && fast_crc()) {
        crc = crc_instruction(crc, data, whole);
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
