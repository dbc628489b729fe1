/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_EPOCHS = 1000000, MOST_BATCH = IDX_MOST_ITEMS };

void print_usage(FILE *to, const char *program, const char *kernels)
{
    fprintf(to,
            "usage: %s train [options]             train a network that reads handwritten digits\n"
            "       %s infer -i IMAGE -n FILE      name the digit on one image\n",
            program, program);
    fputs("\n"
          "train:\n"
          "  -s,  --shape 32 | 32,16     neurons of the hidden layers (32)\n"
          "  -e,  --epochs N             passes over the training images (30)\n"
          "  -bs, --batch_size N         images per step (10)\n"
          "  -lr, --learning_rate X      step size (3)\n"
          "  -n,  --net FILE             write the trained network there\n"
          "       --precision P          float32 or float64 (float32)\n"
          "       --init FILE            begin from this network (its shape counts)\n"
          "       --order WHAT           order of the images: seed (a new one each epoch), sequential,\n"
          "                              or an order file (seed)\n"
          "       --seed N               seed of first weights and order (1)\n"
          "       --data DIR             folder with train-images-idx3-ubyte, train-labels-idx1-ubyte,\n"
          "                              t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, gzipped or not (.)\n"
          "       --split A/B            use the t10k files alone: train on the first A, test on the next B\n"
          "       --train-limit N        only the first N training images\n"
          "       --test-limit N         only the first N test images\n"
          "       --save-epochs DIR      write DIR/epoch-0000.nn before the first epoch, epoch-0001.nn after it, ...\n"
          "       --checkpoint FILE      keep there, after each epoch, what --resume needs\n"
          "       --resume FILE          go on from a checkpoint, as if training had never stopped\n"
          "       --early-stop N         stop after N epochs without a better accuracy\n",
          to);
    if (kernels != NULL)
        fprintf(to, "       --kernel NAME          compute with %s (the best that runs here)\n", kernels);
    fputs("  -q,  --quiet                no line per epoch\n"
          "       --json                 print JSON, one object a line\n"
          "\n"
          "infer:\n"
          "  -i, --image IMAGE           28 x 28, ink bright: PGM (P5), 784 raw bytes, or an IDX file\n"
          "      --index N               which image of an IDX file (0)\n"
          "  -n, --net FILE              a network that train wrote\n"
          "      --precision P           float32 or float64 (float32)\n",
          to);
    if (kernels != NULL)
        fputs("      --kernel NAME           as above\n", to);
    fputs("      --json                  print JSON\n", to);
}

/* ---- values ---- */

static bool parse_u64(uint64_t *value, const char *option, const char *text, uint64_t least, uint64_t most,
                      Error *error)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || number < least || number > most)
        return fail(error, "%s %s: expected a whole number from %llu to %llu", option, text, (unsigned long long)least,
                    (unsigned long long)most);
    *value = number;
    return true;
}

static bool parse_size(size_t *value, const char *option, const char *text, size_t least, size_t most, Error *error)
{
    uint64_t number;
    if (!parse_u64(&number, option, text, least, most, error))
        return false;
    *value = (size_t)number;
    return true;
}

static bool parse_rate(double *value, const char *option, const char *text, Error *error)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite((float)number) || (float)number <= 0.0f)
        return fail(error, "%s %s: expected a number above 0", option, text);
    *value = number;
    return true;
}

static bool parse_shape(TrainOptions *options, const char *option, const char *text, Error *error)
{
    const char *next = text;
    options->layers = 0;
    options->shape_given = true;
    for (;;) {
        char *end;
        unsigned long neurons = strtoul(next, &end, 10);
        if (!isdigit((unsigned char)*next) || (*end != '\0' && *end != ',') || neurons < 1 || neurons > MOST_NEURONS)
            return fail(error, "%s %s: expected hidden layers such as 32 or 32,16, each from 1 to %d neurons", option,
                        text, (int)MOST_NEURONS);
        if (options->layers + 1 == MOST_LAYERS)
            return fail(error, "%s %s: at most %d hidden layers", option, text, MOST_LAYERS - 1);
        options->sizes[++options->layers] = neurons;
        if (*end == '\0')
            break;
        next = end + 1;
    }
    options->sizes[0] = PIXELS;
    options->sizes[++options->layers] = DIGITS;
    return true;
}

static bool parse_split(DigitRequest *digits, const char *option, const char *text, Error *error)
{
    char train[16];
    const char *slash = strchr(text, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - text);
    if (length == 0 || length >= sizeof train)
        return fail(error, "%s %s: expected training/test images such as 8000/2000", option, text);
    memcpy(train, text, length);
    train[length] = '\0';
    return parse_size(&digits->split_train, option, train, 1, IDX_MOST_ITEMS, error) &&
           parse_size(&digits->split_test, option, slash + 1, 1, IDX_MOST_ITEMS, error);
}

static bool parse_precision(Precision *value, const char *option, const char *text, Error *error)
{
    *value = strcmp(text, "float64") == 0 ? FLOAT64 : FLOAT32;
    return *value == FLOAT64 || strcmp(text, "float32") == 0 ||
           fail(error, "%s %s: expected float32 or float64", option, text);
}

static bool parse_order(TrainOptions *options, const char *text)
{
    options->order = strcmp(text, "seed") == 0         ? ORDER_SEED
                     : strcmp(text, "sequential") == 0 ? ORDER_SEQUENTIAL
                                                       : ORDER_FILE;
    options->order_path = text;
    return true;
}

/* ---- walking the arguments ---- */

typedef struct {
    int count, next;
    char **arguments;
    char name[32];       /* of the option at hand */
    const char *inlined; /* what stood after its =, or NULL */
} Walk;

/* Takes the next option's name apart; false when there are no more or (with a message) when it is not one. */
static bool next_option(Walk *walk, bool *end, Error *error)
{
    *end = walk->next >= walk->count;
    if (*end)
        return true;
    const char *argument = walk->arguments[walk->next++];
    const char *equals = strncmp(argument, "--", 2) == 0 ? strchr(argument, '=') : NULL;
    size_t length = equals == NULL ? strlen(argument) : (size_t)(equals - argument);
    if (argument[0] != '-')
        return fail(error, "unexpected argument %.200s (see --help)", argument);
    if (length >= sizeof walk->name)
        return fail(error, "unknown option %.200s (see --help)", argument);
    memcpy(walk->name, argument, length);
    walk->name[length] = '\0';
    walk->inlined = equals == NULL ? NULL : equals + 1;
    return true;
}

static bool is(const Walk *walk, const char *brief, const char *name)
{
    return strcmp(walk->name, name) == 0 || (brief != NULL && strcmp(walk->name, brief) == 0);
}

/* The value of the option at hand, or NULL with a message. */
static const char *value_of(Walk *walk, Error *error)
{
    const char *value = walk->inlined;
    if (value == NULL && walk->next < walk->count)
        value = walk->arguments[walk->next++];
    if (value == NULL || *value == '\0') {
        fail(error, "%s needs a value", walk->name);
        return NULL;
    }
    return value;
}

static bool unknown(const Walk *walk, Error *error)
{
    return fail(error, "unknown option %s (see --help)", walk->name);
}

static bool parse_train_value(TrainOptions *options, Walk *walk, bool *known, Error *error)
{
    typedef enum { SHAPE, EPOCHS, BATCH, RATE, NET, INIT, ORDER, SEED, DATA, SPLIT, TRAIN_LIMIT, TEST_LIMIT,
                   PRECISION, SAVE_EPOCHS, CHECKPOINT, RESUME, EARLY_STOP } What;
    static const struct {
        const char *brief, *name;
        What what;
    } table[] = {
        {"-s", "--shape", SHAPE},
        {"-e", "--epochs", EPOCHS},
        {"-bs", "--batch_size", BATCH},
        {"-lr", "--learning_rate", RATE},
        {"-n", "--net", NET},
        {NULL, "--init", INIT},
        {NULL, "--order", ORDER},
        {NULL, "--seed", SEED},
        {NULL, "--data", DATA},
        {NULL, "--split", SPLIT},
        {NULL, "--train-limit", TRAIN_LIMIT},
        {NULL, "--test-limit", TEST_LIMIT},
        {NULL, "--precision", PRECISION},
        {NULL, "--save-epochs", SAVE_EPOCHS},
        {NULL, "--checkpoint", CHECKPOINT},
        {NULL, "--resume", RESUME},
        {NULL, "--early-stop", EARLY_STOP},
    };
    size_t row = 0, rows = sizeof table / sizeof table[0];
    while (row < rows && !is(walk, table[row].brief, table[row].name))
        row++;
    *known = row < rows;
    if (!*known)
        return true;
    const char *name = walk->name;
    const char *text = value_of(walk, error);
    if (text == NULL)
        return false;
    switch (table[row].what) {
    case SHAPE:
        return parse_shape(options, name, text, error);
    case EPOCHS:
        return parse_size(&options->epochs, name, text, 0, MOST_EPOCHS, error);
    case BATCH:
        return parse_size(&options->batch_size, name, text, 1, MOST_BATCH, error);
    case RATE:
        return parse_rate(&options->rate, name, text, error);
    case NET:
        options->net = text;
        return true;
    case INIT:
        options->init = text;
        return true;
    case ORDER:
        return parse_order(options, text);
    case SEED:
        return parse_u64(&options->seed, name, text, 0, UINT64_MAX, error);
    case DATA:
        options->digits.folder = text;
        return true;
    case SPLIT:
        return parse_split(&options->digits, name, text, error);
    case TRAIN_LIMIT:
        return parse_size(&options->digits.train_limit, name, text, 1, IDX_MOST_ITEMS, error);
    case TEST_LIMIT:
        return parse_size(&options->digits.test_limit, name, text, 1, IDX_MOST_ITEMS, error);
    case PRECISION:
        return parse_precision(&options->precision, name, text, error);
    case SAVE_EPOCHS:
        options->save_epochs = text;
        return true;
    case CHECKPOINT:
        options->checkpoint = text;
        return true;
    case RESUME:
        options->resume = text;
        return true;
    case EARLY_STOP:
        return parse_size(&options->early_stop, name, text, 1, MOST_EPOCHS, error);
    }
    return unknown(walk, error);
}

/* What cannot be had together. */
static bool check_train(const TrainOptions *options, Error *error)
{
    if (options->resume != NULL && options->init != NULL)
        return fail(error, "--resume and --init: a training goes on or begins, not both");
    return true;
}

bool parse_train(TrainOptions *options, int count, char **arguments, const char *kernels, Error *error)
{
    Walk walk = {.count = count, .arguments = arguments};
    *options = (TrainOptions){.epochs = 30,
                              .batch_size = 10,
                              .rate = 3.0,
                              .precision = FLOAT32,
                              .seed = 1,
                              .order = ORDER_SEED,
                              .sizes = {PIXELS, 32, DIGITS},
                              .layers = 2,
                              .digits = {.folder = "."}};
    for (;;) {
        bool end, known;
        if (!next_option(&walk, &end, error))
            return false;
        if (end)
            return check_train(options, error);
        if (kernels != NULL && is(&walk, NULL, "--kernel")) {
            options->kernel = value_of(&walk, error);
            if (options->kernel == NULL)
                return false;
            continue;
        }
        if (!parse_train_value(options, &walk, &known, error))
            return false;
        if (known)
            continue;
        if (is(&walk, "-q", "--quiet"))
            options->quiet = true;
        else if (is(&walk, NULL, "--json"))
            options->json = true;
        else
            return unknown(&walk, error);
        if (walk.inlined != NULL)
            return fail(error, "%s takes no value", walk.name);
    }
}

bool parse_infer(InferOptions *options, int count, char **arguments, const char *kernels, Error *error)
{
    Walk walk = {.count = count, .arguments = arguments};
    memset(options, 0, sizeof *options);
    for (;;) {
        bool end;
        if (!next_option(&walk, &end, error))
            return false;
        if (end)
            break;
        if (is(&walk, NULL, "--json")) {
            if (walk.inlined != NULL)
                return fail(error, "%s takes no value", walk.name);
            options->json = true;
            continue;
        }
        bool image = is(&walk, "-i", "--image"), net = is(&walk, "-n", "--net"), index = is(&walk, NULL, "--index");
        bool precision = is(&walk, NULL, "--precision"), kernel = kernels != NULL && is(&walk, NULL, "--kernel");
        if (!image && !net && !index && !precision && !kernel)
            return unknown(&walk, error);
        const char *text = value_of(&walk, error);
        if (text == NULL)
            return false;
        if (image)
            options->image = text;
        else if (net)
            options->net = text;
        else if (kernel)
            options->kernel = text;
        else if (precision) {
            if (!parse_precision(&options->precision, walk.name, text, error))
                return false;
        } else if (!parse_size(&options->index, walk.name, text, 0, IDX_MOST_ITEMS - 1, error))
            return false;
    }
    if (options->image == NULL || options->net == NULL)
        return fail(error, "infer needs an image (-i) and a network (-n)");
    return true;
}
