#!/bin/sh
# Runs TensorFlow Lite's benchmark_model and tells whoever watches when its measured inferences begin and end.
#
#   LAB_WINDOW=CONTROL,ACKNOWLEDGE sh tell_window.sh benchmark_model --graph=MobileNet_PQ_32.tflite ...
#
# benchmark_model itself tells nobody, but it prints a line before each of its two loops (warm-up, then the measured
# inferences) and one with their statistics after it, at once. At the second beginning `enable` is written to the first
# pipe, at the second statistics `disable`, and each time a line is awaited from the second pipe. The program does not
# wait meanwhile: its window is told some milliseconds late. Without the variable nothing is told. All output goes to
# standard output; the exit status is the program's. It needs nothing but a shell.

control=${LAB_WINDOW%%,*}
acknowledge=${LAB_WINDOW#*,}
begun=0
done=0

tell() {
    [ -n "$LAB_WINDOW" ] || return 0
    # Opened for both directions, a pipe neither keeps us waiting nor ends when the other side closes it.
    printf '%s\n' "$1" 1<>"$control"
    IFS= read -r answer 0<>"$acknowledge"
}

{
    "$@" 2>&1
    printf 'tell_window: status %d\n' $?
} | {
    status=1
    while IFS= read -r line; do
        case $line in
        'tell_window: status '*)
            status=${line##* }
            continue
            ;;
        *'Running benchmark for at least '*)
            begun=$((begun + 1))
            [ "$begun" != 2 ] || tell enable
            ;;
        count=* | 'INFO: count='*)
            done=$((done + 1))
            [ "$done" != 2 ] || tell disable
            ;;
        esac
        printf '%s\n' "$line"
    done
    exit "$status"
}
