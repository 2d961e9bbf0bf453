/* Base64. */
#include "base64.h"

#include "tools.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Each digit's value and one more; 0: it is none. */
static void fill_values(uint8_t values[256]) {
    memset(values, 0, 256);
    for (size_t i = 0; i < 64; i++) values[(unsigned char)digits[i]] = (uint8_t)(i + 1);
}

/* Behind the head of a data URL; NULL: it isn't in base64. */
static const char *skip_head(const char *text) {
    if (strncmp(text, "data:", 5)) return text;
    const char *comma = strchr(text, ',');
    return comma && comma - text >= 7 && !strncmp(comma - 7, ";base64", 7) ? comma + 1 : NULL;
}

/* Six bits a digit, of which each eight are a byte. */
static char *read_digits(const char *text, uint8_t *bytes, size_t *size) {
    uint8_t values[256];
    uint32_t bits = 0;
    int held = 0;
    fill_values(values);
    for (*size = 0; *text && *text != '='; text++) {
        if (strchr(" \t\r\n", *text)) continue;
        const uint8_t value = values[(unsigned char)*text];
        if (!value) break;
        bits = bits << 6 | (uint32_t)(value - 1);
        held += 6;
        if (held < 8) continue;
        held -= 8;
        bytes[(*size)++] = (uint8_t)(bits >> held);
    }
    return (char *)(uintptr_t)text;
}

void *lt_base64_read(const char *text, size_t *size) {
    *size = 0;
    text = skip_head(text);
    uint8_t *bytes = text ? malloc(strlen(text) / 4 * 3 + 3) : NULL;
    if (!bytes) return NULL;
    const char *rest = read_digits(text, bytes, size);
    rest += strspn(rest, "= \t\r\n");
    if (!*rest && *size) return bytes;
    free(bytes);
    *size = 0;
    return NULL;
}

char *lt_base64_write(const void *data, size_t size) {
    const uint8_t *bytes = data;
    char *text = tool_alloc((size + 2) / 3 * 4 + 1), *to = text;
    if (!text) return NULL;
    for (size_t i = 0; i < size; i += 3, to += 4) {
        const uint32_t second = i + 1 < size ? bytes[i + 1] : 0, third = i + 2 < size ? bytes[i + 2] : 0;
        const uint32_t bits = (uint32_t)bytes[i] << 16 | second << 8 | third;
        for (int k = 0; k < 4; k++) to[k] = digits[bits >> (18 - 6 * k) & 63];
        if (i + 1 >= size) to[2] = '=';
        if (i + 2 >= size) to[3] = '=';
    }
    *to = 0;
    return text;
}
