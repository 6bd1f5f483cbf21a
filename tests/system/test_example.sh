#!/bin/sh
# docs/example.c, built as a stranger would: against an installed copy, found through
# pkg-config, with nothing of the source tree in sight; then run on pictures in IDX format.
set -u

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
number=0
failed=0

ok() { # ok STATUS TEXT
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number - $2"
	else
		failed=1
		echo "not ok $number - $2"
		[ ! -s "$work/log" ] || tail -n 20 "$work/log" | sed 's/^/# /'
	fi
}

echo 1..9

# What make passes down (-j, TESTS=...) is for the outer make.
unset MAKEFLAGS MAKELEVEL MFLAGS
make -C "$top_builddir" install DESTDIR="$work/root" >"$work/log" 2>&1
ok $? 'make install into DESTDIR'

# What everybody looks for, wherever the prefix is.
: >"$work/log"
for file in bin/dcgand lib/libdcgan.so include/dcgan/dcgan.h include/dcgan/base/error.h lib/pkgconfig/libdcgan.pc \
	man/man8/dcgand.8 man/man3/libdcgan.3 doc/dcgand/README.md doc/dcgand/api.md doc/dcgand/example.c; do
	[ -n "$(find "$work/root" -path "*/$file")" ] || echo "missing: $file" >>"$work/log"
done
find "$work/root" -name '*.la' | grep -v '/libdcgan\.la$' >>"$work/log"
[ ! -s "$work/log" ]
ok $? 'program, library, headers and manuals are there'
"$(find "$work/root" -path '*/bin/dcgand')" --version >"$work/log" 2>&1 && grep -q '^dcgand [0-9]' "$work/log"
ok $? 'the installed program runs'

pc=$(find "$work/root" -name libdcgan.pc)
PKG_CONFIG_SYSROOT_DIR=$work/root
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_PATH
flags=$(pkg-config --cflags --libs libdcgan 2>"$work/log")
ok $? 'pkg-config knows libdcgan'

cp "$top_srcdir/docs/example.c" "$work/example.c"
# Strict: no feature macros, no flags of ours.
(cd "$work" && $CC -std=c11 -Wall -Wextra -Werror example.c $flags -o example) >"$work/log" 2>&1
ok $? 'example.c compiles without a warning'
: >"$work/log"
for header in $(cd "$work/root" && find . -path '*/include/dcgan/*.h'); do
	printf '#include "%s"\nint main(void) { return 0; }\n' "$work/root/$header" >"$work/alone.c"
	(cd "$work" && $CC -std=c11 -Wall -Wextra -Werror -fsyntax-only alone.c $flags) >>"$work/log" 2>&1
done
[ ! -s "$work/log" ]
ok $? 'every installed header stands alone'

# 256 pictures of 16x16, dark above and bright below or the other way round. The header:
# magic 0x00000803, count, rows, columns.
mkdir "$work/out" "$work/pictures"
head -c 128 /dev/zero | tr '\0' '\040' >"$work/dark"
head -c 128 /dev/zero | tr '\0' '\340' >"$work/bright"
{
	printf '\000\000\010\003\000\000\001\000\000\000\000\020\000\000\000\020'
	i=0
	while [ $i -lt 128 ]; do
		cat "$work/dark" "$work/bright" "$work/bright" "$work/dark"
		i=$((i + 1))
	done
} >"$work/pictures/train-images-idx3-ubyte"
LD_LIBRARY_PATH=$(dirname "$(dirname "$pc")") "$work/example" "$work/pictures" "$work/out" 2 >"$work/log" 2>&1
ok $? 'it trains'
grep -q '^step 2: loss_d [0-9.]* loss_g [0-9.]*$' "$work/log"
ok $? 'it tells of its last step'
ls "$work/out"/step-*.png "$work/out"/step-*.safetensors >>"$work/log" 2>&1
ok $? 'it leaves a picture and a checkpoint'
exit $failed
