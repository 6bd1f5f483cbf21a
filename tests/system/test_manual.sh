#!/bin/sh
# The manual page and the program speak of the same options, and of the same defaults.
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
number=0
failed=0

ok() { # ok STATUS TEXT
	number=$((number + 1))
	[ "$1" -eq 0 ] && echo "ok $number - $2" && return
	failed=1
	echo "not ok $number - $2"
	sed 's/^/# /' "$work/log"
}

echo 1..3
"$top_builddir/dcgand" --help >"$work/help" 2>"$work/log" && grep -q -e '--listen' "$work/help"
ok $? 'dcgand --help tells its options'

sed -n 's/^ *--\([a-z-]*\).*/\1/p' "$work/help" | sort >"$work/program"
sed -n 's/^\.It Fl -\([a-z-]*\).*/\1/p' "$top_srcdir/docs/dcgand.8" | sort >"$work/manual"
diff "$work/program" "$work/manual" >"$work/log"
ok $? 'dcgand.8 describes each and no other'

: >"$work/log"
sed -n 's/^ *--\([a-z-]*\).*(default: \([0-9][0-9.:]*\))$/\1 \2/p' "$work/help" | while read -r name value; do
	sed -n "/^\.It Fl -$name\( \|\$\)/,/^\.It/p" "$top_srcdir/docs/dcgand.8" | tr '\n' ' ' |
		grep -Fq -e "Default: $value." -e "Default: .Li $value ." || echo "--$name: $value" >>"$work/log"
done
[ ! -s "$work/log" ]
ok $? 'and the same defaults'
exit $failed
