/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "checkpoint.h"
#include "crc32.h"
#include "digits.h"
#include "image.h"
#include "marks.h"
#include "netfile.h"
#include "options.h"
#include "order.h"
#include "random.h"

enum { EXIT_DONE = 0, EXIT_OTHER = 1, EXIT_WRONG_INPUT = 2, LONGEST_PATH = 4096 };

/* Everything a training has at hand. */
typedef struct {
    const Engine *engine;
    TrainOptions options;
    DigitFolder digits;
    Network network;
    void *trainer; /* the engine's */
    Order order;
    Progress progress;
    double accuracy, train_seconds, test_seconds;
    bool stopped_early;
} Training;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Says what went wrong. Returns the exit code: lack of memory is nobody's wrong input. */
static int complain(const Engine *engine, const Error *error, int code)
{
    fprintf(stderr, "%s: %s\n", engine->program, error->text);
    return error->memory ? EXIT_OTHER : code;
}

/* ---- what is printed ---- */

static void print_epoch(const Training *training, double seconds)
{
    const Progress *progress = &training->progress;
    if (training->options.quiet)
        return;
    if (training->options.json)
        printf("{\"event\":\"epoch\",\"epoch\":%zu,\"loss\":%.9g,\"accuracy\":%.9g,\"seconds\":%.6f}\n",
               progress->epochs, progress->loss, training->accuracy, seconds);
    else
        printf("epoch %zu of %zu: loss %.6f, accuracy %.2f %%, %.3f s\n", progress->epochs, training->options.epochs,
               progress->loss, 100.0 * training->accuracy, seconds);
    fflush(stdout);
}

static void print_done(const Training *training)
{
    const TrainOptions *options = &training->options;
    const Network *network = &training->network;
    const DigitFolder *digits = &training->digits;
    size_t epochs = training->progress.epochs;

    if (!options->json) {
        printf("done: accuracy %.2f %% on %zu images after %zu epochs on %zu images, %zu parameters, %.3f s%s\n",
               100.0 * training->accuracy, digits->test.count, epochs, digits->train.count, network->parameter_count,
               training->train_seconds, training->stopped_early ? ", stopped early" : "");
        return;
    }
    printf("{\"event\":\"done\",\"epochs\":%zu,", epochs);
    if (epochs > 0)
        printf("\"loss\":%.9g,", training->progress.loss);
    else
        printf("\"loss\":null,");
    printf("\"accuracy\":%.9g,\"seconds\":%.6f,\"test_seconds\":%.6f,\"train_images\":%zu,\"test_images\":%zu,"
           "\"parameters\":%zu,\"shape\":[",
           training->accuracy, training->train_seconds, training->test_seconds, digits->train.count,
           digits->test.count, network->parameter_count);
    for (unsigned l = 0; l <= network->layers; l++)
        printf("%s%zu", l > 0 ? "," : "", network->sizes[l]);
    printf("],\"batch_size\":%zu,\"learning_rate\":%.9g,\"seed\":%llu,\"precision\":\"%s\",\"kernel\":\"%s\","
           "\"stopped_early\":%s}\n",
           options->batch_size, options->rate, (unsigned long long)options->seed,
           precision_name(network->precision), training->engine->kernel(training->trainer),
           training->stopped_early ? "true" : "false");
}

/* ---- getting ready ---- */

/* A network that reads these images, of the shape that was asked for. */
static bool check_shape(const char *path, const TrainOptions *options, const Network *network, Error *error)
{
    if (network->sizes[0] != PIXELS || network->sizes[network->layers] != DIGITS)
        return fail(error, "%s: a network of %zu inputs and %zu outputs (expected %d and %d)", path,
                    network->sizes[0], network->sizes[network->layers], (int)PIXELS, (int)DIGITS);
    bool same = options == NULL || !options->shape_given ||
                (network->layers == options->layers &&
                 memcmp(network->sizes, options->sizes, (network->layers + 1) * sizeof *network->sizes) == 0);
    return same || fail(error, "%s: its shape is not the one that --shape asks for", path);
}

static bool first_network(Training *training, Error *error)
{
    const TrainOptions *options = &training->options;
    Network *network = &training->network;

    if (options->resume != NULL)
        return checkpoint_read(options->resume, options->precision, &training->progress, network, error) &&
               check_shape(options->resume, options, network, error);
    if (options->init != NULL)
        return netfile_read(options->init, options->precision, network, error) &&
               check_shape(options->init, options, network, error);
    Random random;
    if (!network_make(network, options->sizes, options->layers, options->precision, error))
        return false;
    random_seed(&random, options->seed, STREAM_WEIGHTS);
    network_randomise(network, &random);
    return true;
}

static uint32_t images_crc(const DigitSet *digits)
{
    return crc32_update(crc32_update(0, digits->pixels, digits->count * PIXELS), digits->labels, digits->count);
}

/* Goes on only with what the checkpoint was made with, and brings the order to where it was. */
static bool go_on(Training *training, Error *error)
{
    const TrainOptions *options = &training->options;
    const Progress *progress = &training->progress;
    const DigitSet *images = &training->digits.train;

    if (progress->images != images->count || progress->images_crc != images_crc(images))
        return fail(error, "%s: was trained on other images", options->resume);
    if (progress->batch_size != options->batch_size || progress->rate < options->rate ||
        progress->rate > options->rate)
        return fail(error, "%s: was trained with batches of %zu and a learning rate of %.9g", options->resume,
                    progress->batch_size, progress->rate);
    for (size_t epoch = 0; epoch < progress->epochs; epoch++)
        if (!order_next(&training->order, error))
            return false;
    return training->order.crc == progress->order_crc ||
           fail(error, "%s: was trained in another order (see --order, --seed)", options->resume);
}

static void begin_progress(Training *training)
{
    const TrainOptions *options = &training->options;
    const DigitSet *images = &training->digits.train;
    training->progress = (Progress){.images = images->count,
                                    .batch_size = options->batch_size,
                                    .rate = options->rate,
                                    .images_crc = options->checkpoint != NULL ? images_crc(images) : 0,
                                    .best_accuracy = -1.0};
}

static bool get_ready(Training *training, Error *error)
{
    const TrainOptions *options = &training->options;

    if (!first_network(training, error) || !digits_read(&training->digits, &options->digits, error))
        return false;
    size_t epochs = options->epochs > training->progress.epochs ? options->epochs : training->progress.epochs;
    if (!order_open(&training->order, options->order, options->order_path, options->seed,
                    training->digits.train.count, epochs, error))
        return false;
    if (options->resume == NULL)
        begin_progress(training);
    else if (!go_on(training, error))
        return false;
    if (options->save_epochs != NULL && mkdir(options->save_epochs, 0777) != 0 && errno != EEXIST)
        return fail(error, "%s: cannot be made: %s", options->save_epochs, strerror(errno));
    training->trainer =
        training->engine->start(&training->network, options->batch_size, options->kernel, error);
    return training->trainer != NULL;
}

/* ---- training ---- */

static bool save_epoch(const Training *training, Error *error)
{
    char path[LONGEST_PATH];
    const char *folder = training->options.save_epochs;
    if (folder == NULL)
        return true;
    int length = snprintf(path, sizeof path, "%s/epoch-%04zu.nn", folder, training->progress.epochs);
    if (length < 0 || length >= (int)sizeof path)
        return fail(error, "%.64s...: the path is too long", folder);
    return netfile_write(path, &training->network, error);
}

static bool save_checkpoint(const Training *training, Error *error)
{
    const char *path = training->options.checkpoint;
    return path == NULL || checkpoint_write(path, &training->progress, &training->network, error);
}

static void test(Training *training)
{
    const DigitSet *images = &training->digits.test;
    double begin = now();
    size_t right = training->engine->right(training->trainer, images);
    training->accuracy = (double)right / (double)images->count;
    training->test_seconds += now() - begin;
}

/* One epoch. Returns an exit code. */
static int run_epoch(Training *training, Error *error)
{
    const TrainOptions *options = &training->options;
    Progress *progress = &training->progress;

    if (!order_next(&training->order, error))
        return EXIT_WRONG_INPUT;
    double begin = now();
    progress->loss = training->engine->epoch(training->trainer, &training->digits.train, training->order.images,
                                             options->batch_size, options->rate);
    double seconds = now() - begin;
    training->train_seconds += seconds;
    progress->epochs++;
    progress->order_crc = training->order.crc;
    if (!isfinite(progress->loss) || !network_finite(&training->network)) {
        fail(error, "the %s no longer a number in epoch %zu: lower the learning rate",
             isfinite(progress->loss) ? "weights are" : "loss is", progress->epochs);
        return EXIT_OTHER;
    }
    test(training);
    bool better = training->accuracy > progress->best_accuracy;
    progress->epochs_since_best = better ? 0 : progress->epochs_since_best + 1;
    progress->best_accuracy = better ? training->accuracy : progress->best_accuracy;
    print_epoch(training, seconds);
    return save_epoch(training, error) && save_checkpoint(training, error) ? EXIT_DONE : EXIT_OTHER;
}

/* All epochs. Returns an exit code. */
static int run_epochs(Training *training, Error *error)
{
    const TrainOptions *options = &training->options;
    const Progress *progress = &training->progress;
    bool tested = false;

    if (!save_epoch(training, error))
        return EXIT_OTHER;
    while (progress->epochs < options->epochs) {
        training->stopped_early = options->early_stop > 0 && progress->epochs_since_best >= options->early_stop;
        if (training->stopped_early)
            break;
        int code = run_epoch(training, error);
        if (code != EXIT_DONE)
            return code;
        tested = true;
    }
    if (!tested)
        test(training);
    return EXIT_DONE;
}

static int train(const Engine *engine, int count, char **arguments)
{
    Error error = {0};
    Training training = {.engine = engine};

    if (!parse_train(&training.options, count, arguments, engine->kernels, &error))
        return complain(engine, &error, EXIT_WRONG_INPUT);
    int code = EXIT_WRONG_INPUT;
    if (get_ready(&training, &error))
        code = window_open(&error) ? run_epochs(&training, &error) : EXIT_OTHER;
    if (code == EXIT_DONE && (!window_close(&error) || !marks_save(&error)))
        code = EXIT_OTHER;
    if (code == EXIT_DONE && training.options.net != NULL &&
        !netfile_write(training.options.net, &training.network, &error))
        code = EXIT_OTHER;
    if (code == EXIT_DONE)
        print_done(&training);
    else
        code = complain(engine, &error, code);
    if (training.trainer != NULL)
        engine->end(training.trainer);
    order_close(&training.order);
    network_free(&training.network);
    digits_free(&training.digits);
    return code;
}

/* ---- inference ---- */

static void print_answer(const InferOptions *options, const double *outputs)
{
    size_t digit = 0;
    for (size_t i = 1; i < DIGITS; i++)
        if (outputs[i] > outputs[digit])
            digit = i;
    if (!options->json) {
        printf("%zu\n", digit);
        return;
    }
    printf("{\"event\":\"inference\",\"digit\":%zu,\"outputs\":[", digit);
    for (size_t i = 0; i < DIGITS; i++)
        printf("%s%.*g", i > 0 ? "," : "", options->precision == FLOAT32 ? 9 : 17, outputs[i]);
    printf("]}\n");
}

static int infer(const Engine *engine, int count, char **arguments)
{
    Error error = {0};
    InferOptions options;
    Network network = {0};
    unsigned char pixels[PIXELS];
    double outputs[DIGITS];
    void *trainer = NULL;

    int code = EXIT_DONE;
    bool good = parse_infer(&options, count, arguments, engine->kernels, &error) &&
                netfile_read(options.net, options.precision, &network, &error) &&
                check_shape(options.net, NULL, &network, &error) &&
                image_read(options.image, options.index, pixels, &error) &&
                (trainer = engine->start(&network, 1, options.kernel, &error)) != NULL;
    if (good) {
        engine->outputs(trainer, pixels, outputs);
        print_answer(&options, outputs);
        engine->end(trainer);
    } else {
        code = complain(engine, &error, EXIT_WRONG_INPUT);
    }
    network_free(&network);
    return code;
}

int command_run(int count, char **arguments, const Engine *engine)
{
    int code = EXIT_DONE;
    if (count < 2) {
        print_usage(stdout, engine->program, engine->kernels);
        fputs("\nnothing to do\n", stdout);
    } else if (strcmp(arguments[1], "train") == 0) {
        code = train(engine, count - 2, arguments + 2);
    } else if (strcmp(arguments[1], "infer") == 0) {
        code = infer(engine, count - 2, arguments + 2);
    } else if (strcmp(arguments[1], "--help") == 0 || strcmp(arguments[1], "-h") == 0) {
        print_usage(stdout, engine->program, engine->kernels);
    } else {
        fprintf(stderr, "%s: unknown command %.200s (train or infer; see --help)\n", engine->program, arguments[1]);
        code = EXIT_WRONG_INPUT;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "%s: the output cannot be written\n", engine->program);
        return code == EXIT_DONE ? EXIT_OTHER : code;
    }
    return code;
}
