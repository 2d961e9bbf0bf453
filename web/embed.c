/* Makes the page part of the program: embed OUT.c FILE=NAME... writes C in which each file stands with its name, its
 * size and an ETag. The bytes are the assembler's to fetch (.incbin). */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* FNV-1a of the bytes, so that a browser asks for no file again that hasn't changed. false: it can't be read. */
static bool hash_file(const char *path, uint64_t *hash) {
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    *hash = 14695981039346656037u;
    for (int c; (c = getc(file)) != EOF;) *hash = (*hash ^ (uint64_t)c) * 1099511628211u;
    const bool read = !ferror(file);
    fclose(file);
    return read;
}

static void write_bytes(FILE *out, int i, const char *path) {
    fprintf(
        out,
        "__asm__(\".section .rodata\\n.global lt_page_%d, lt_page_%d_end\\n.hidden lt_page_%d, lt_page_%d_end\\n\"\n"
        "        \"lt_page_%d:\\n.incbin \\\"%s\\\"\\nlt_page_%d_end:\\n.previous\\n\");\n"
        "extern const char lt_page_%d[], lt_page_%d_end[];\n",
        i, i, i, i, i, path, i, i, i);
}

static void write_row(FILE *out, int i, const char *name, uint64_t hash) {
    fprintf(out, "    {\"%s\", \"\\\"%016" PRIx64 "\\\"\", lt_page_%d, lt_page_%d_end},\n", name, hash, i, i);
}

/* Parts FILE=NAME. */
static const char *name_in(char *word) {
    char *equals = strrchr(word, '=');
    if (!equals) return NULL;
    *equals = 0;
    return equals + 1;
}

static bool write_all(FILE *out, int count, char **words) {
    const char *names[256];
    uint64_t hashes[256];
    fputs("/* Made by web/embed.c. */\n#include \"page_files.h\"\n\n", out);
    for (int i = 0; i < count; i++) {
        names[i] = name_in(words[i]);
        if (!names[i] || !hash_file(words[i], &hashes[i]))
            return fprintf(stderr, "%s: can't be read\n", words[i]), false;
        write_bytes(out, i, words[i]);
    }
    fputs("\nconst lt_page_file lt_page_files[] = {\n", out);
    for (int i = 0; i < count; i++) write_row(out, i, names[i], hashes[i]);
    fputs("    {0},\n};\n", out);
    return true;
}

int main(int count, char **words) {
    FILE *out = count > 2 && count < 258 ? fopen(words[1], "w") : NULL;
    if (!out) return fprintf(stderr, "usage: embed OUT.c FILE=NAME...\n"), 2;
    const bool written = write_all(out, count - 2, words + 2);
    return fclose(out) || !written;
}
