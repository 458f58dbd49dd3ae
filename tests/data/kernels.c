/* The kernels without Python, for processors that the tests only emulate: a request on stdin, bytes on stdout.

   resize HEIGHT WIDTH SIZE COLUMN_TAPS ROW_TAPS: source, column starts and weights, row starts and weights -> planes.
   feed MEAN STD LENGTH: bytes, their table of floats -> CRC-32 of the bytes, then the floats. */

#include <stdio.h>

#include "_feed.h"
#include "_resize.h"

static void *take(size_t bytes, size_t room) {
    uint8_t *data = calloc(bytes + room, 1);
    if (data == NULL || fread(data, 1, bytes, stdin) != bytes)
        exit(3);
    return data;
}

static int resize_stdin(char **words) {
    const int height = atoi(words[0]), width = atoi(words[1]), size = atoi(words[2]);
    const size_t side = (size_t)size;
    work w = {.width = width, .plane = (ptrdiff_t)(side * side)};
    w.source = take((size_t)height * (size_t)width * 3, ROOM);
    w.columns.taps = atoi(words[3]), w.rows.taps = atoi(words[4]);
    w.columns.length = w.rows.length = size;
    w.columns.starts = take(side * 4, 0), w.columns.weights = take(side * (size_t)w.columns.taps * 4, 0);
    w.rows.starts = take(side * 4, 0), w.rows.weights = take(side * (size_t)w.rows.taps * 4, 0);
    w.out = calloc(3, side * side);
    if (w.out == NULL || !fits(&w.columns, width, (ptrdiff_t)side * 4, (ptrdiff_t)side * w.columns.taps * 4) ||
        !fits(&w.rows, height, (ptrdiff_t)side * 4, (ptrdiff_t)side * w.rows.taps * 4) || !allocate_and_resize(&w))
        return 3;
    return fwrite(w.out, 1, 3 * side * side, stdout) == 3 * side * side ? 0 : 3;
}

static int feed_stdin(char **words) {
    const float constants[2] = {strtof(words[0], NULL), strtof(words[1], NULL)};
    const size_t length = strtoul(words[2], NULL, 10);
    const uint8_t *data = take(length, 0);
    const float *table = take(LEVELS * sizeof(float), 0);
    float *out = aligned_alloc(64, (length * sizeof(float) + 63) / 64 * 64);
    const uint32_t crc = ~crc_register(~0u, data, (ptrdiff_t)length);
    normalise_plane(data, table, constants, out, (ptrdiff_t)length);
    fwrite(&crc, 4, 1, stdout);
    return fwrite(out, sizeof(float), length, stdout) == length ? 0 : 3;
}

int main(int count, char **words) {
    if (count == 7 && strcmp(words[1], "resize") == 0)
        return resize_stdin(words + 2);
    return count == 5 && strcmp(words[1], "feed") == 0 ? feed_stdin(words + 2) : 2;
}
