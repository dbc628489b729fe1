/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hdrnn: trains a fully connected network to read handwritten digits, and names the digit on one image.
 * Exit codes: 0 done, 2 wrong arguments or files, 1 anything else (no memory, a full disk, a loss that is no number).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "digits.h"
#include "error.h"
#include "image.h"
#include "marks.h"
#include "netfile.h"
#include "network.h"
#include "options.h"
#include "order.h"
#include "random.h"
#include "train.h"

enum { EXIT_DONE = 0, EXIT_OTHER = 1, EXIT_WRONG_INPUT = 2 };

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int complain(const Error *error, int code)
{
    fprintf(stderr, "hdrnn: %s\n", error->text);
    return code;
}

/* What training gave, for the last line. */
typedef struct {
    double loss, accuracy, train_seconds, test_seconds;
} Outcome;

static void print_epoch(const TrainOptions *options, size_t epoch, const Outcome *outcome, double seconds)
{
    if (options->quiet)
        return;
    if (options->json)
        printf("{\"event\":\"epoch\",\"epoch\":%zu,\"loss\":%.9g,\"accuracy\":%.9g,\"seconds\":%.6f}\n", epoch,
               outcome->loss, outcome->accuracy, seconds);
    else
        printf("epoch %zu of %zu: loss %.6f, accuracy %.2f %%, %.3f s\n", epoch, options->epochs, outcome->loss,
               100.0 * outcome->accuracy, seconds);
    fflush(stdout);
}

static void print_done(const TrainOptions *options, const Network *network, const DigitFolder *digits,
                       const Outcome *outcome)
{
    if (!options->json) {
        printf("done: accuracy %.2f %% on %zu images after %zu epochs on %zu images, %zu parameters, %.3f s\n",
               100.0 * outcome->accuracy, digits->test.count, options->epochs, digits->train.count,
               network->parameter_count, outcome->train_seconds);
        return;
    }
    printf("{\"event\":\"done\",\"epochs\":%zu,", options->epochs);
    if (options->epochs > 0)
        printf("\"loss\":%.9g,", outcome->loss);
    else
        printf("\"loss\":null,");
    printf("\"accuracy\":%.9g,\"seconds\":%.6f,\"test_seconds\":%.6f,\"train_images\":%zu,\"test_images\":%zu,"
           "\"parameters\":%zu,\"shape\":[",
           outcome->accuracy, outcome->train_seconds, outcome->test_seconds, digits->train.count, digits->test.count,
           network->parameter_count);
    for (unsigned l = 0; l <= network->layers; l++)
        printf("%s%zu", l > 0 ? "," : "", network->sizes[l]);
    printf("],\"batch_size\":%zu,\"learning_rate\":%.9g,\"seed\":%llu}\n", options->batch_size, (double)options->rate,
           (unsigned long long)options->seed);
}

static bool first_network(const TrainOptions *options, Network *network, Error *error)
{
    if (options->init == NULL) {
        Random random;
        if (!network_make(network, options->sizes, options->layers, error))
            return false;
        random_seed(&random, options->seed, STREAM_WEIGHTS);
        network_randomise(network, &random);
        return true;
    }
    if (!netfile_read(options->init, network, error))
        return false;
    bool good = network->sizes[0] == PIXELS && network->sizes[network->layers] == DIGITS;
    if (!good)
        fail(error, "%s: a network of %zu inputs and %zu outputs (expected %d and %d)", options->init,
             network->sizes[0], network->sizes[network->layers], (int)PIXELS, (int)DIGITS);
    else if (options->shape_given) {
        good = network->layers == options->layers &&
               memcmp(network->sizes, options->sizes, (network->layers + 1) * sizeof *network->sizes) == 0;
        if (!good)
            fail(error, "%s: its shape is not the one that --shape asks for", options->init);
    }
    if (!good)
        network_free(network);
    return good;
}

/* The epochs themselves. Returns an exit code. */
static int run_epochs(const TrainOptions *options, Trainer *trainer, const DigitFolder *digits, Order *order,
                      Outcome *outcome, Error *error)
{
    for (size_t epoch = 1; epoch <= options->epochs; epoch++) {
        if (!order_next(order, error))
            return EXIT_WRONG_INPUT;
        double begin = now();
        outcome->loss = trainer_epoch(trainer, &digits->train, order->images, options->batch_size, options->rate);
        double trained = now();
        if (!isfinite(outcome->loss)) {
            fail(error, "the loss is no longer a number in epoch %zu: lower the learning rate", epoch);
            return EXIT_OTHER;
        }
        outcome->accuracy = trainer_accuracy(trainer, &digits->test);
        outcome->train_seconds += trained - begin;
        outcome->test_seconds += now() - trained;
        print_epoch(options, epoch, outcome, trained - begin);
    }
    if (options->epochs == 0) {
        double begin = now();
        outcome->accuracy = trainer_accuracy(trainer, &digits->test);
        outcome->test_seconds = now() - begin;
    }
    return EXIT_DONE;
}

static int train(int count, char **arguments)
{
    Error error;
    TrainOptions options;
    DigitFolder digits = {0};
    Network network = {0};
    Trainer trainer = {0};
    Order order = {0};
    Outcome outcome = {0};

    if (!parse_train(&options, count, arguments, &error))
        return complain(&error, EXIT_WRONG_INPUT);
    bool ready = first_network(&options, &network, &error) && digits_read(&digits, &options.digits, &error) &&
                 order_open(&order, options.order, options.order_path, options.seed, digits.train.count,
                            options.epochs, &error) &&
                 trainer_make(&trainer, &network, &error);
    bool watched = ready && window_open(&error);
    int code = watched ? run_epochs(&options, &trainer, &digits, &order, &outcome, &error)
                       : (ready ? EXIT_OTHER : EXIT_WRONG_INPUT);
    if (code == EXIT_DONE && (!window_close(&error) || !marks_save(&error)))
        code = EXIT_OTHER;
    if (code == EXIT_DONE && options.net != NULL && !netfile_write(options.net, &network, &error))
        code = EXIT_OTHER;
    if (code == EXIT_DONE)
        print_done(&options, &network, &digits, &outcome);
    else
        complain(&error, code);
    trainer_free(&trainer);
    order_close(&order);
    network_free(&network);
    digits_free(&digits);
    return code;
}

static void print_answer(const InferOptions *options, const Network *network, const Activations *activations)
{
    const float *outputs = activations->outputs[network->layers];
    size_t digit = network_answer(network, activations);
    if (!options->json) {
        printf("%zu\n", digit);
        return;
    }
    printf("{\"event\":\"inference\",\"digit\":%zu,\"outputs\":[", digit);
    for (size_t i = 0; i < DIGITS; i++)
        printf("%s%.9g", i > 0 ? "," : "", (double)outputs[i]);
    printf("]}\n");
}

static int infer(int count, char **arguments)
{
    Error error;
    InferOptions options;
    Network network = {0};
    Activations activations = {0};
    unsigned char pixels[PIXELS];

    if (!parse_infer(&options, count, arguments, &error))
        return complain(&error, EXIT_WRONG_INPUT);
    bool good = netfile_read(options.net, &network, &error);
    if (good && (network.sizes[0] != PIXELS || network.sizes[network.layers] != DIGITS))
        good = fail(&error, "%s: a network of %zu inputs and %zu outputs (expected %d and %d)", options.net,
                    network.sizes[0], network.sizes[network.layers], (int)PIXELS, (int)DIGITS);
    good = good && image_read(options.image, options.index, pixels, &error) &&
           activations_make(&activations, &network, &error);
    if (good) {
        pixels_to_input(pixels, activations.outputs[0]);
        network_forward(&network, &activations);
        print_answer(&options, &network, &activations);
    } else {
        complain(&error, EXIT_WRONG_INPUT);
    }
    activations_free(&activations);
    network_free(&network);
    return good ? EXIT_DONE : EXIT_WRONG_INPUT;
}

int main(int count, char **arguments)
{
    int code;
    if (count < 2) {
        print_usage(stdout);
        fputs("\nnothing to do\n", stdout);
        code = EXIT_DONE;
    } else if (strcmp(arguments[1], "train") == 0) {
        code = train(count - 2, arguments + 2);
    } else if (strcmp(arguments[1], "infer") == 0) {
        code = infer(count - 2, arguments + 2);
    } else if (strcmp(arguments[1], "--help") == 0 || strcmp(arguments[1], "-h") == 0) {
        print_usage(stdout);
        code = EXIT_DONE;
    } else {
        fprintf(stderr, "hdrnn: unknown command %.200s (train or infer; see hdrnn --help)\n", arguments[1]);
        code = EXIT_WRONG_INPUT;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fputs("hdrnn: the output cannot be written\n", stderr);
        return code == EXIT_DONE ? EXIT_OTHER : code;
    }
    return code;
}
