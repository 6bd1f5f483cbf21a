#!/bin/sh
# The manual pages and the program speak of the same options, and of the same defaults.
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
unset STATE_DIRECTORY
number=0
failed=0
page=$top_srcdir/docs/dcgand.8
conf=$top_srcdir/docs/dcgand.conf.5

ok() { # ok STATUS TEXT
	number=$((number + 1))
	[ "$1" -eq 0 ] && echo "ok $number - $2" && return
	failed=1
	echo "not ok $number - $2"
	sed 's/^/# /' "$work/log"
}

# item PAGE MACRO NAME: the paragraph of an option, on one line.
item() {
	sed -n "/^\.It $2$3\( \|\$\)/,/^\.\(It\|El\)/p" "$1" | tr '\n' ' '
}

echo 1..8
"$top_builddir/dcgand" --help >"$work/help" 2>"$work/log" && grep -q -e '--listen' "$work/help"
ok $? 'dcgand --help tells its options'

sed -n 's/^ *--\([a-z-]*\).*/\1/p' "$work/help" | sort >"$work/program"
sed -n 's/^\.It Fl -\([a-z-]*\).*/\1/p' "$page" | sort >"$work/manual"
diff "$work/program" "$work/manual" >"$work/log"
ok $? 'dcgand.8 describes each and no other'

: >"$work/log"
sed -n 's/^ *--\([a-z-]*\).*(default: \([a-z0-9.:]*\))$/\1 \2/p' "$work/help" >"$work/defaults"
while read -r name value; do
	item "$page" 'Fl -' "$name" | grep -Fq -e "Default: $value." -e "Default: .Li $value ." || echo "--$name: $value" >>"$work/log"
done <"$work/defaults"
[ ! -s "$work/log" ] && [ "$(wc -l <"$work/defaults")" -ge 7 ]
ok $? 'and the same defaults'

# "[section] name" of each.
"$top_builddir/dcgand" --print-config >"$work/file" 2>"$work/log" &&
	sed -n -e 's/^\(\[.*\]\)$/\1/p' -e 's/^#*\([a-z-]*\) = .*/\1/p' "$work/file" >"$work/program" &&
	[ "$(wc -l <"$work/program")" -ge 13 ]
ok $? 'dcgand --print-config shows its options'
sed -n -e 's/^\.Ss \(\[.*\]\)$/\1/p' -e 's/^\.It Cm \([a-z-]*\) No = .*/\1/p' "$conf" >"$work/manual"
diff "$work/program" "$work/manual" >"$work/log"
ok $? 'dcgand.conf.5 describes each in its section, in the same order'

: >"$work/log"
while read -r name value; do
	item "$conf" 'Cm ' "$name" | grep -Fq -e "Default: $value." -e "Default: .Li $value ." || echo "$name: $value" >>"$work/log"
done <"$work/defaults"
[ ! -s "$work/log" ]
ok $? 'and the same defaults'

# The comment above a setting, on one line, says whether it changes on reload.
: >"$work/log"
reloads=0
for name in $(grep -v '^\[' "$work/program"); do
	awk -v name="$name" '/^$/ { text = "" } { sub(/^# /, ""); text = text " " $0 } $0 ~ "^#?" name " = " { print text }' "$work/file" |
		grep -q 'Changes on reload\.' && in_program=yes || in_program=no
	item "$conf" 'Cm ' "$name" | grep -q 'Changes on reload\.' && in_manual=yes || in_manual=no
	[ $in_program = $in_manual ] || echo "$name: the program says $in_program, the page $in_manual" >>"$work/log"
	[ $in_program = no ] || reloads=$((reloads + 1))
done
[ ! -s "$work/log" ] && [ $reloads -ge 4 ]
ok $? 'and the same of what changes on reload'

if command -v mandoc >/dev/null; then
	mandoc -T lint -W warning "$page" "$conf" >"$work/log" 2>&1
	ok $? 'mandoc finds nothing wrong with the pages'
else
	number=$((number + 1))
	echo "ok $number - mandoc finds nothing wrong with the pages # SKIP mandoc is missing"
fi
exit $failed
