#!/bin/sh
# Write the C source of the page's files: embed.sh FILE... > pages_data.c
# A file may be given as NAME=PATH to be served under another name.
set -eu
echo '/* Made by api/embed.sh. */'
echo '#include "api/pages.h"'
i=0
for f in "$@"; do
	path=${f#*=}
	echo "static const unsigned char file_$i[] = {"
	od -An -v -tu1 "$path" | sed 's/  */,/g; s/^,//; s/$/,/'
	# No empty initialiser for an empty file.
	echo '0 };'
	i=$((i + 1))
done
echo 'const struct dcg_page dcg_pages[] = {'
i=0
for f in "$@"; do
	name=${f%%=*}
	echo "	{ \"${name##*/}\", file_$i, sizeof file_$i - 1 },"
	i=$((i + 1))
done
echo '	{ 0 },'
echo '};'
