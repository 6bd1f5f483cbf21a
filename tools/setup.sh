# Shell functions that ./quickstart and ./check share: packages and builds. Sourced
# with $program (for messages) and $here (the checkout's root) set. POSIX sh.

# What building takes on a Debian 12 that has nothing.
build_packages='build-essential autoconf automake libtool pkg-config autoconf-archive
	libmicrohttpd-dev libcjson-dev libinih-dev libopenblas-dev libsqlite3-dev libstb-dev libjpeg62-turbo-dev
	libpng-dev libwebp-dev zlib1g-dev nettle-dev libjs-chart.js python3'

say() {
	printf '%s\n' "$*"
}

die() {
	printf '%s: %s\n' "$program" "$*" >&2
	exit 1
}

# step LOG WHAT COMMAND...: run quietly; when it fails show the log's tail and return its
# status, so that the caller may go on or not.
step() {
	step_log=$1 step_what=$2
	shift 2
	mkdir -p "$(dirname "$step_log")"
	say "$program: $step_what"
	step_status=0
	"$@" >"$step_log" 2>&1 </dev/null || step_status=$?
	if [ $step_status -ne 0 ]; then
		tail -n 40 "$step_log" | sed 's/^/    /' >&2
		printf '%s: failed: %s (status %s); all of it is in %s\n' "$program" "$step_what" $step_status "$step_log" >&2
	fi
	return $step_status
}

installed() {
	dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

# need_packages LOG NAME...: install those Debian packages that are missing, asking nothing.
need_packages() {
	packages_log=$1
	shift
	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		say "$program: this is not a Debian system: I take it that it has what these packages bring: $*"
		return 0
	fi
	missing=
	for package; do
		installed "$package" || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" -eq 0 ]; then
		root=env
	elif command -v sudo >/dev/null; then
		root='sudo env'
		# A password can only be asked for before output goes into a log.
		sudo -v || die "these packages are missing, and sudo would not let me install them:$missing"
	else
		die "these packages are missing; as root run: apt-get install$missing"
	fi
	# Only lists that cannot name the packages are worth fetching again.
	apt='apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300'
	step "$packages_log" 'reading the package lists (apt-get update)' \
		$root DEBIAN_FRONTEND=noninteractive apt-get -q update ||
		say "$program: going on with the package lists there are"
	step "$packages_log" "installing$missing" \
		$root DEBIAN_FRONTEND=noninteractive $apt install $missing ||
		die "these packages are missing and could not be installed:$missing"
}

# build FOLDER CONFIGURE-WORDS...: an up-to-date build out of tree; quick when it is one.
build() {
	folder=$1
	shift
	mkdir -p "$folder" || return 1
	if [ ! -f "$here/configure" ] || [ ! -f "$here/Makefile.in" ]; then
		step "$folder/autogen.log" 'making ./configure (autogen)' "$here/autogen" || return 1
	fi
	# A checkout that was moved leaves paths behind that no longer exist.
	if [ -f "$folder/Makefile" ] &&
		[ "$(readlink -m "$(sed -n 's/^abs_top_srcdir = //p' "$folder/Makefile")")" != "$here" ]; then
		case $folder in
		"$here"/build*) rm -rf "$folder" && mkdir -p "$folder" ;;
		*) printf '%s: %s was configured for other sources\n' "$program" "$folder" >&2; return 1 ;;
		esac
	fi
	if [ ! -f "$folder/Makefile" ] || [ ! -f "$folder/config.h" ]; then
		step "$folder/configure.log" "configuring $folder" in_folder "$folder" "$here/configure" "$@" || return 1
	fi
	step "$folder/make.log" "building in $folder" make -C "$folder" -j "$(nproc)" all
}

in_folder() (
	cd "$1" && shift && exec "$@"
)
