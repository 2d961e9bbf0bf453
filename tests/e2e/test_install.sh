#!/bin/sh
# What is installed serves a program as the README says: its commands build one with the shared library and one with the
# static, and both draw.
# usage: test_install.sh BUILD SOURCE
set -u
. "$(dirname "$0")/checks.sh"
build=$(realpath "$1") source=$(realpath "$2")
enter

check "install" meson install -C "$build" --no-rebuild --destdir "$work/root"
pc=$(find root -name latent.pc)
lib=$work/$(dirname "$(dirname "$pc")")
prefix=$(dirname "$lib")
check "latent.pc lies below the library's own folder" test -e "$lib/liblatent.so" -a -e "$lib/liblatent.a"
check "the library's folder is one where Debian looks, with dpkg-dev and without" test "$(basename "$lib")" = lib
for file in include/latent.h bin/latent share/latent/emoji.safetensors share/man/man1/latent.1 \
    share/bash-completion/completions/latent.bash share/zsh/site-functions/_latent share/fish/vendor_completions.d/latent.fish; do
    check "installed: $file" test -s "$prefix/$file"
done

export PKG_CONFIG_PATH="$lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$work/root"
cp "$source/examples/txt2img.c" program.c
"$prefix/bin/latent" convert --synthetic tiny tiny.safetensors >log 2>&1
grep '^cc program.c' "$source/README.md" >commands
check "the README has a command for the shared library and one for the static" test "$(wc -l <commands)" = 2
while read -r command; do
    rm -f program drawn.png
    check "README: $command" eval "$command"
    check "the program draws" env LD_LIBRARY_PATH="$lib" ./program tiny.safetensors "a red apple" drawn.png
    check "there is a picture" test -s drawn.png
done <commands
check "the static program needs no liblatent.so" eval '! ldd program | grep -q liblatent'

# Our own program is a program like any other.
check "the command line and its server are built by what is installed alone" eval 'cc -std=gnu17 -D_GNU_SOURCE -I"$source" -I"$source"/cli -I"$source"/server \
    -DLT_OPENAPI_FILE=\"$source/server/openapi.json\" "$source"/cli/*.c "$source"/server/*.c "$source"/tools/*.c "$build"/cli/explain_page.c \
    "$build"/web/page_files.c $(pkg-config --cflags --libs latent jansson libutf8proc libmicrohttpd sqlite3) -lm -o latent'
check "and draws" env LD_LIBRARY_PATH="$lib" ./latent txt2img -m tiny.safetensors -p "a red apple" --steps 1 --size 64 -o own.png
check "a picture" test -s own.png
exit $failed
