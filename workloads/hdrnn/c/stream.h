/* SPDX-License-Identifier: Apache-2.0 */
/* Little-endian files with a checksum: read in one go, or written beside their place and put there when they are whole. */
#ifndef HDRNN_STREAM_H
#define HDRNN_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* `crc` is of what has passed so far; `good` turns false at the first trouble, and from there on zeros are read. */
typedef struct {
    FILE *file;
    const char *path;
    char *part; /* where a file is written before it is renamed */
    uint32_t crc;
    bool good;
} Stream;

bool stream_open(Stream *stream, const char *path, Error *error);
bool stream_create(Stream *stream, const char *path, Error *error);

void put_bytes(Stream *stream, const void *bytes, size_t count);
void put_u32(Stream *stream, uint32_t value);
void put_u64(Stream *stream, uint64_t value);
void put_f32(Stream *stream, float value);
void put_f64(Stream *stream, double value);

void get_bytes(Stream *stream, void *bytes, size_t count);
uint32_t get_u32(Stream *stream);
uint64_t get_u64(Stream *stream);
float get_f32(Stream *stream);
double get_f64(Stream *stream);

/* How many bytes lie between here and the end. */
bool stream_left(Stream *stream, uint64_t *bytes, Error *error);

/* Ends reading. */
void stream_close(Stream *stream);

/* Ends writing: the file takes its place, or nothing of it stays. `durable`: also if the power fails right after. */
bool stream_finish(Stream *stream, bool durable, Error *error);

#ifdef __cplusplus
}
#endif

#endif
