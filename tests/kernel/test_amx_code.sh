#!/bin/sh
# Tile instructions are where they belong: all that are needed in the table's own object, and
# none in any other of the library, which every processor runs.
command -v objdump >/dev/null 2>&1 || { echo "1..0 # SKIP objdump not found: install Debian's binutils"; exit 0; }
builddir=${top_builddir:-.} failed=0 n=0
echo 1..8
has() { objdump -d --no-show-raw-insn "$1" | grep -cw "$2"; }
ok() { n=$((n + 1)); [ "$1" = 0 ] && echo "ok $n - $2" || { echo "not ok $n - $2"; failed=1; }; }
amx=$(find "$builddir/core/kernel/amx" -name '*amx.o' | grep libdcgan_amx | head -n 1)
for i in ldtilecfg tileloadd tileloaddt1 tilezero tdpbf16ps tilestored tilerelease; do
	[ "$(has "$amx" $i)" -gt 0 ]
	ok $? "the table uses $i"
done
others=$(find "$builddir/core" -name '*.o' ! -path '*/kernel/amx/*')
echo "# $(echo "$others" | wc -l) other objects"
[ -n "$others" ] && [ "$(for o in $others; do objdump -d --no-show-raw-insn "$o"; done | grep -cE '\<(ldtilecfg|tile[a-z]+|tdp[a-z0-9]+)\>')" = 0 ]
ok $? "no other object uses tiles"
exit $failed
