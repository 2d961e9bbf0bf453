#!/bin/sh
# script/build over what a build folder may have been through, on a small program in place of Latent; script/setup for users
# who may not install; script/includes on an arrow that points up.
# usage: test_scripts.sh SOURCE
set -u
. "$(dirname "$0")/checks.sh"
source=$(realpath "$1")
unset LATENT_BUILD CC
enter

# Debian's packages, of which none is missing, as far as the scripts see
mkdir bin pc
cat >bin/dpkg-query <<END
#!/bin/sh
case "\$*" in
*Status*) [ -e "$work/none-installed" ] || echo 'install ok installed' ;;
*) cat "$work/packages" ;;
esac
END
chmod +x bin/dpkg-query
echo first >packages
export PATH="$work/bin:$PATH" PKG_CONFIG_PATH="$work/pc"

project() { # FOLDER
    mkdir -p "$1"
    cp -r "$source/script" "$1"
    cat >"$1/meson.build" <<'END'
project('stub', 'c', default_options: ['buildtype=debug'])
late = dependency('late', required: false)
executable('stub', 'stub.c', c_args: '-DLATE=@0@'.format(late.found() ? 1 : 0))
END
    printf '#include <stdio.h>\nint main(void) { printf("one %%d\\n", LATE); }\n' >"$1/stub.c"
}
says() { # TEXT PROGRAM
    [ "$("$2")" = "$1" ] || { "$2" && false; }
}
builds() { # WHAT TEXT [FOLDER [MESON OPTION]...]
    what=$1 text=$2
    shift 2
    check "$what" script/build "$@"
    check "$what: the program is right" says "$text" "${LATENT_BUILD:-.}/${1:-build}/stub"
}
option() { meson introspect --buildoptions "$1" | tr '{' '\n' | grep "\"$2\"" | grep -q "\"$3\""; }

project a
cd a || exit 1
builds "the first build" "one 0"
before=$(stat -c %y build/build.ninja)
builds "a second" "one 0"
check "a second sets nothing up" test "$(stat -c %y build/build.ninja)" = "$before"

printf 'Name: late\nDescription: late\nVersion: 1\n' >../pc/late.pc
echo second >../packages
builds "after a package was installed" "one 1"

rm -rf build && mkdir build
builds "over an empty folder" "one 1"
rm build/build.ninja
builds "over a set-up that was killed" "one 1"
rm -r build/latent-setup build/meson-private
builds "over half a folder" "one 1"
: >build/meson-private/coredata.dat
rm build/latent-setup
builds "over a damaged folder" "one 1"

rm -rf build && meson setup build -Dbuildtype=release >/dev/null
builds "over a set-up by hand" "one 1"
check "which keeps its options" option build buildtype release
builds "with an option" "one 1" build-other -Dwarning_level=3
builds "with another" "one 1" build-other -Dwarning_level=0
check "which then holds" option build-other warning_level 0

sed -i s/one/two/ stub.c
builds "after an update" "two 1"
sed s/two/three/ stub.c >new.c
touch -d 2001-01-01 new.c
mv new.c stub.c
builds "after an update from an archive, with the times of long ago" "three 1"

cp -r ../a ../b
sed -i s/three/four/ ../b/stub.c
(cd ../b && builds "in a copy of the source with its build folder" "four 1" && exit $failed) || failed=1
mv ../b ../c
rm -rf ../a/build
(cd ../c && builds "in one that moved" "four 1" && exit $failed) || failed=1

sed -i 's/^int/itn/' stub.c
check "a mistake in the source ends with 1 and is shown" eval '! script/build >out 2>&1 && grep -q itn out'
sed -i 's/^itn/int/' stub.c
builds "after it was mended" "three 1"

project ../source
cd ../source || exit 1
touch "$work/before"
LATENT_BUILD=../elsewhere builds "elsewhere" "one 1"
check "which leaves the source alone" test -z "$(find . -type f -newer "$work/before" ! -name check.log)"
mkdir -p ../elsewhere/build-mine && touch ../elsewhere/build-mine/letters
check "a stranger's folder stays" eval '! LATENT_BUILD=../elsewhere script/build build-mine && [ -e ../elsewhere/build-mine/letters ]'
touch ../file
check "a folder that can't be" eval '! LATENT_BUILD=../file/x script/build >out 2>&1 && grep -q LATENT_BUILD= out'

# Who may not install: no sudo at all, then one that refuses.
touch "$work/none-installed"
mkdir ../few
for tool in sh dirname realpath grep env apt-get dpkg-query; do ln -s "$(command -v $tool)" ../few/$tool; done
printf '#!/bin/sh\necho 1000\n' >../few/id
chmod +x ../few/id
printf '#!/bin/sh\nexit 1\n' >../bin/sudo
chmod +x ../bin/sudo
cp ../few/id ../bin
line="  apt-get update && apt-get install -y --no-install-recommends .*gcc .*libdnnl-dev"
told() { ! "$@" >out 2>err </dev/null && [ "$(grep -c "^$line" err)" = 1 ]; }
check "without sudo, the line for an administrator" told env PATH="$work/few" script/setup
check "the line for the tests" told env PATH="$work/few" script/setup test
check "which has cmocka" grep -q "^$line.* libcmocka-dev" err
check "with a sudo that refuses, the line too" told script/setup
rm "$work/none-installed"
check "with everything installed no administrator is needed" env PATH="$work/few" script/setup

mkdir -p ../rules/docs ../rules/cli && cp -r "$source/script" "$source/src" "$source/include" ../rules
cp "$source/docs/architecture.md" ../rules/docs
check "includes point down" ../rules/script/includes
echo '#include "api/model.h"' >>../rules/src/nn/nn.h
check "an include that points up is found" eval '! ../rules/script/includes >out && grep -q "nn includes api/model.h" out'
exit $failed
