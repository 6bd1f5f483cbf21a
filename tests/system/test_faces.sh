#!/bin/sh
# tools/make-faces: caching, checking, going on and refusing, with stand-ins for npm and node that
# need no network. What is drawn is tested where the packages are at hand.
set -u
top=$(cd "${top_srcdir:-.}" && pwd)
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
n=0 failed=0

# ok WHAT COMMAND...: a line of TAP.
ok() {
	n=$((n + 1)) what=$1
	shift
	if "$@"; then
		echo "ok $n - $what"
	else
		failed=1
		echo "not ok $n - $what"
		sed 's/^/# /' "$folder/said"
	fi
}

mkdir "$folder/bin"
cat >"$folder/bin/npm" <<'END'
#!/bin/sh
echo npm >>"$CALLS"
[ "$1" = --prefix ] && [ "$3" = ci ] && [ -f "$2/package-lock.json" ] || exit 2
[ ! -f "$CALLS.npm-fails" ] || exit 1
mkdir -p "$2/node_modules"
END
cat >"$folder/bin/node" <<'END'
#!/bin/sh
echo node >>"$CALLS"
case $1 in
-e) exit 0 ;;
*/draw.mjs) [ -d "$(dirname "$1")/node_modules" ] || exit 3 ;;
*) exit 2 ;;
esac
i=0
while [ $i -lt "$3" ]; do
	name=$2/$(printf %06d.png $i)
	[ -f "$name" ] || echo "face $i of size $4, seed $5" >"$name"
	i=$((i + 1))
	[ ! -f "$CALLS.node-fails" ] || [ $i -lt 5 ] || exit 1
done
echo attributes >"$2/attributes.csv"
END
chmod +x "$folder/bin/npm" "$folder/bin/node"
CALLS=$folder/calls
export CALLS

# make_faces WORD...: its status; what it says is in said.
make_faces() {
	: >"$CALLS"
	PATH=$folder/bin:$PATH "$top/tools/make-faces" --no-install --packages "$folder/packages" "$@" >"$folder/said" 2>&1 </dev/null
}

says() {
	grep -q -e "$1" "$folder/said"
}

fails_saying() {
	text=$1
	shift
	! make_faces "$@" && says "$text"
}

called() {
	[ "$(sort "$CALLS" | uniq | tr '\n' ' ')" = "$1" ]
}

faces=$folder/faces

touch "$CALLS.npm-fails"
no_network() {
	fails_saying 'network' --count 12 "$faces" && [ ! -e "$faces" ]
}
ok 'without a network it says so and leaves no folder' no_network
rm "$CALLS.npm-fails"

touch "$CALLS.node-fails"
interrupted() {
	fails_saying 'goes on' --count 12 "$faces" && [ -f "$faces/000004.png" ] && [ ! -e "$faces/SHA256SUMS" ]
}
ok 'drawing that fails leaves no set that looks complete' interrupted
rm "$CALLS.node-fails"

goes_on() {
	inode=$(stat -c %i "$faces/000003.png")
	make_faces --count 12 "$faces" && called 'node ' && [ "$(stat -c %i "$faces/000003.png")" = "$inode" ] &&
		[ "$(ls "$faces" | grep -c '^0.*\.png$')" -eq 12 ] && [ "$(wc -l <"$faces/SHA256SUMS")" -eq 14 ]
}
ok 'the same command goes on, and fetches nothing again' goes_on
cp "$faces/SHA256SUMS" "$folder/first"

complete() {
	make_faces --count=12 "$faces" && called '' && says 'as they should be'
}
ok 'a complete set is checked, not made' complete

licences() {
	grep -q 'Pablo Stanley' "$faces/SOURCE.txt" && grep -q 'MPL-2.0' "$faces/SOURCE.txt" && grep -q 'MIT' "$faces/SOURCE.txt"
}
ok 'it tells of its source and licences' licences

repaired() {
	echo x >"$faces/000002.png"
	rm "$faces/000007.png"
	make_faces --count 12 "$faces" && says damaged && cmp "$faces/SHA256SUMS" "$folder/first" && make_faces --count 12 "$faces" && called ''
}
ok 'what is damaged or missing is made again' repaired

outside() {
	echo keep >"$folder/precious"
	printf '%064d  ../precious\n' 0 >>"$faces/SHA256SUMS"
	make_faces --count 12 "$faces" && [ "$(cat "$folder/precious")" = keep ] && cmp "$faces/SHA256SUMS" "$folder/first"
}
ok 'a list that names files elsewhere does not remove them' outside

others() {
	fails_saying 'another set' --count 13 "$faces" && fails_saying 'another set' --count 12 --seed 2 "$faces" &&
		fails_saying 'another set' --count 12 --size 32 "$faces" && cmp "$faces/SHA256SUMS" "$folder/first"
}
ok 'another set is not written over it' others

foreign() {
	mkdir -p "$folder/mine" && echo mine >"$folder/mine/file"
	fails_saying 'not empty' "$folder/mine" && [ "$(ls -A "$folder/mine")" = file ] && fails_saying 'not a folder' "$folder/precious"
}
ok 'a folder that is not its own is left alone' foreign

mistakes() {
	fails_saying 'count.*1 to 1000000.*found 0' --count 0 "$folder/x" && fails_saying 'found "many"' --size many "$folder/x" &&
		fails_saying 'found ""' --seed= "$folder/x" && fails_saying 'found "99999999999"' --count 99999999999 "$folder/x" &&
		fails_saying 'needs a value' --seed && fails_saying 'unknown option' --colour=1 "$folder/x" &&
		fails_saying 'expected a folder' && fails_saying 'one folder' a b && [ ! -e "$folder/x" ]
}
ok 'mistakes are named' mistakes

versions() { # the lock file is what npm ci checks against
	! grep -q '"resolved"' "$top/tools/faces/package-lock.json" || return 1
	for package in @dicebear/avataaars @dicebear/core @resvg/resvg-js; do
		version=$(sed -n "s|.*\"$package\": \"\([0-9.]*\)\".*|\1|p" "$top/tools/faces/package.json")
		[ -n "$version" ] && grep -A 2 "\"node_modules/$package\"" "$top/tools/faces/package-lock.json" | grep -q "\"version\": \"$version\"" || return 1
	done
	[ "$(grep -c '"node_modules/' "$top/tools/faces/package-lock.json")" -eq "$(grep -c '"integrity": "sha512-' "$top/tools/faces/package-lock.json")" ]
}
ok 'every package is pinned, with a checksum' versions

real() {
	"$top/tools/make-faces" --no-install --packages "$1" --count 40 --size 32 --seed 5 "$folder/real" >"$folder/said" 2>&1 || return 1
	[ "$(sha256sum <"$folder/real/attributes.csv" | cut -c 1-16)" = 30c949f2ce6e611e ] || return 1
	# Width, height, 8 bits, RGBA; no two alike.
	for file in "$folder"/real/*.png; do
		[ "$(od -An -tx1 -j 16 -N 10 "$file" | tr -d ' \n')" = 00000020000000200806 ] || return 1
	done
	[ "$(cut -d ' ' -f 1 "$folder/real/SHA256SUMS" | sort -u | wc -l)" -eq 42 ]
}
packages=${DCG_FACES_PACKAGES:-$top/build/faces/packages}
if command -v node >/dev/null && [ -f "$packages/.installed" ]; then
	ok 'real faces are what they were' real "$packages"
else
	n=$((n + 1))
	echo "ok $n - real faces # SKIP ./quickstart --faces did not fetch the packages here"
fi
echo "1..$n"
exit $failed
