#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
#   profile.sh DIR PROGRAM ARGUMENT ...
#
# Runs a program and writes where its time went, by function, into DIR: perf.txt (samples of the processor's clock, by
# perf) or, where perf cannot sample, callgrind.out (instructions, by valgrind; some fifty times slower). The program's
# own output and exit code are passed on. HDRNN_PROFILER=perf or callgrind asks for one of the two.

out=$1
shift
[ -d "$out" ] && [ $# -gt 0 ] || {
    echo 'profile.sh: usage: profile.sh DIR PROGRAM ARGUMENT ...' >&2
    exit 2
}

can_sample() {
    command -v perf >/dev/null 2>&1 && perf record -q -e cpu-clock -o "$out/perf.data" -- true >/dev/null 2>&1
}

profiler=${HDRNN_PROFILER:-}
if [ -z "$profiler" ]; then
    profiler=callgrind
    if can_sample; then profiler=perf; fi
fi

case $profiler in
perf)
    perf record -q -e cpu-clock -F 2999 -o "$out/perf.data" -- "$@"
    code=$?
    # Fields in a fixed order, so that the table can be read without perf; the samples themselves are large.
    perf report -q --stdio -i "$out/perf.data" --no-children -g none -w 0 -F overhead,sample,dso,sym -t ';' \
        >"$out/perf.txt" 2>"$out/perf.err"
    rm -f "$out/perf.data"
    ;;
callgrind)
    command -v valgrind >/dev/null 2>&1 || {
        echo 'profile.sh: neither perf can sample here nor is valgrind installed (apt install linux-perf valgrind)' >&2
        exit 2
    }
    valgrind -q --tool=callgrind --callgrind-out-file="$out/callgrind.out" "$@"
    code=$?
    ;;
*)
    echo "profile.sh: HDRNN_PROFILER=$profiler: perf or callgrind" >&2
    exit 2
    ;;
esac
exit "$code"
