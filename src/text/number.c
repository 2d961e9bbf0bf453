/* White space and numbers in prompts. */
#include "text/number.h"

#include "text/unicode.h"

#include <math.h>

/* What Python calls white space: the tokenizer's, and the four information separators. */
static bool is_space(int32_t code) {
    return lt_unicode_class(code) == LT_CLASS_SPACE || (code >= 0x1c && code <= 0x1f);
}

size_t lt_skip_space(const char *text, size_t size, size_t at) {
    while (at < size) {
        int32_t code;
        const size_t length = lt_utf8_decode(text + at, size - at, &code);
        if (!is_space(code)) break;
        at += length;
    }
    return at;
}

size_t lt_skip_space_before(const char *text, size_t begin, size_t end) {
    for (size_t before; end > begin && is_space(lt_utf8_decode_before(text, end, &before));) end = before;
    return end;
}

bool lt_number_read(const char *text, size_t size, size_t *at, double *number) {
    double value = 0, times = 1, by = 1; /* the number is value · times / by */
    size_t digits = 0, dots = 0;
    while (*at < size) {
        int32_t code;
        const size_t length = lt_utf8_decode(text + *at, size - *at, &code);
        const int digit = lt_unicode_digit(code);
        if (code != '.' && digit < 0) break;
        *at += length;
        dots += code == '.';
        digits += digit >= 0;
        if (digit < 0) continue;
        const bool full = value >= 1e17; /* further digits don't show in a double */
        if (!full) value = value * 10 + digit;
        if (full && dots == 0) times *= 10;
        if (!full && dots > 0) by *= 10;
    }
    *number = value * times / by;
    return digits > 0 && dots <= 1;
}

bool lt_signed_read(const char *text, size_t size, size_t *at, double *number) {
    const char sign = *at < size ? text[*at] : '\0';
    if (sign == '+' || sign == '-') ++*at;
    if (!lt_number_read(text, size, at, number)) return false;
    if (sign == '-') *number = -*number;
    return true;
}

/* value with the "e5" or "E-12" behind its digits. */
static double read_exponent(double value, const char *text, size_t size, size_t *at) {
    size_t to = *at + 1;
    int exponent = 0;
    if (*at == size || (text[*at] | 32) != 'e') return value;
    const bool minus = to < size && text[to] == '-';
    to += to < size && (text[to] == '-' || text[to] == '+');
    const size_t digits = to;
    for (; to < size && text[to] >= '0' && text[to] <= '9'; to++)
        exponent = exponent < 1000 ? 10 * exponent + text[to] - '0' : exponent;
    if (to == digits) return value;
    *at = to;
    return minus ? value / pow(10, exponent) : value * pow(10, exponent);
}

bool lt_scientific_read(const char *text, size_t size, size_t *at, double *number) {
    if (!lt_signed_read(text, size, at, number)) return false;
    *number = read_exponent(*number, text, size, at);
    return true;
}
