/* The analyst's program: trains on the patients of three hospitals and writes a model and a report.
 *
 *   train          reads /data/hospital-{a,b,c}/patients.csv, writes /result/model.csv and
 * /result/report.txt train FOLDER   the same below FOLDER, for a run outside an enclave
 *
 * It knows nothing of enclaves: that /data and /result are encrypted outside is the manifest's
 * matter. PAUSE_S=N keeps it alive, the patients still in memory, for N seconds: so that an attack
 * has something to look for (demo.sh). */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model.h"
#include "table.h"

enum { PATH_SIZE = 512, BAR = 24 };
static const double penalty = 1.0;
static const char *const hospitals[] = {"hospital-a", "hospital-b", "hospital-c"};

/* Never freed and only ever read after loading: the patients. */
static struct table patients;

static bool write_model(FILE *f, const struct model *m) {
    fprintf(f, "feature,coefficient,mean,deviation\nintercept,%.12g,0,1\n", m->weight[0]);
    for (size_t i = 0; i < TABLE_FEATURES; i++)
        fprintf(f, "%s,%.12g,%.12g,%.12g\n", patients.name[i], m->weight[i + 1], m->mean[i],
                m->deviation[i]);
    return !ferror(f);
}

static void bar(FILE *f, double value, double largest) {
    int length = (int)lround(fabs(value) / largest * BAR);
    char text[2 * BAR + 2];
    memset(text, ' ', sizeof(text));
    text[BAR] = '|';
    text[value < 0 ? BAR + 1 : BAR + length + 1] = 0;
    for (int i = 1; i <= length; i++) text[value < 0 ? BAR - i : BAR + i] = '#';
    fprintf(f, "%s", text);
}

static const struct model *sort_model; /* qsort has no room for a context */

static int by_size(const void *a, const void *b) {
    double x = fabs(sort_model->weight[*(const size_t *)a + 1]),
           y = fabs(sort_model->weight[*(const size_t *)b + 1]);
    return (x < y) - (x > y);
}

static bool write_report(FILE *f, const struct model *m, const struct quality *q,
                         const size_t parts[]) {
    fprintf(f,
            "Logistic regression, L2 penalty %g, %zu patients (%zu + %zu + %zu), %d features\n\n",
            penalty, patients.rows, parts[0], parts[1], parts[2], TABLE_FEATURES);
    fprintf(f, "%d-fold cross-validation, positive = malignant\n", MODEL_FOLDS);
    fprintf(
        f, "  accuracy     %.4f\n  sensitivity  %.4f\n  specificity  %.4f\n  AUC          %.4f\n\n",
        q->accuracy, q->sensitivity, q->specificity, q->auc);
    fprintf(f, "Calibration\n  patients  predicted  observed\n");
    for (size_t b = 0; b < MODEL_BINS; b++)
        fprintf(f, "  %8zu  %9.3f  %8.3f\n", q->bin[b].count, q->bin[b].predicted,
                q->bin[b].observed);
    size_t order[TABLE_FEATURES];
    for (size_t i = 0; i < TABLE_FEATURES; i++) order[i] = i;
    sort_model = m;
    qsort(order, TABLE_FEATURES, sizeof(order[0]), by_size);
    double largest = fabs(m->weight[order[0] + 1]);
    fprintf(f,
            "\nCoefficients of the standardised features (right: points to malignant), %d Newton "
            "steps\n",
            m->steps);
    for (size_t i = 0; i < TABLE_FEATURES; i++) {
        double w = m->weight[order[i] + 1];
        fprintf(f, "  %-24s %8.4f  ", patients.name[order[i]], w);
        bar(f, w, largest > 0 ? largest : 1);
        fprintf(f, "\n");
    }
    return !ferror(f);
}

static FILE *create(const char *root, const char *name, char path[PATH_SIZE]) {
    snprintf(path, PATH_SIZE, "%s/result/%s", root, name);
    FILE *f = fopen(path, "w");
    if (!f) fprintf(stderr, "%s: cannot create: %s\n", path, strerror(errno));
    return f;
}

static bool finish(FILE *f, const char *path, bool good) {
    if (fclose(f) == 0 && good) return true;
    fprintf(stderr, "%s: cannot write: %s\n", path, strerror(errno));
    return false;
}

static bool write_results(const char *root, const struct model *m, const struct quality *q,
                          const size_t parts[]) {
    char path[PATH_SIZE];
    FILE *f = create(root, "model.csv", path);
    if (!f || !finish(f, path, write_model(f, m))) return false;
    f = create(root, "report.txt", path);
    return f && finish(f, path, write_report(f, m, q, parts));
}

static void pause_for(const char *seconds) {
    const struct timespec nap = {0, 50 * 1000 * 1000};
    for (unsigned long left = strtoul(seconds, NULL, 10) * 20; left > 0; left--)
        nanosleep(&nap, NULL);
}

int main(int argc, char **argv) {
    const char *root = argc > 1 ? argv[1] : "";
    size_t parts[3] = {0, 0, 0};
    for (size_t h = 0; h < 3; h++) {
        char path[PATH_SIZE];
        size_t before = patients.rows;
        snprintf(path, sizeof(path), "%s/data/%s/patients.csv", root, hospitals[h]);
        if (!table_append(&patients, path)) return 1;
        parts[h] = patients.rows - before;
        /* The host sees what goes to standard output: counts, never values. */
        printf("%s: %zu patients\n", hospitals[h], parts[h]);
    }
    static const unsigned char no_folds[TABLE_ROWS];
    struct quality q;
    struct model m;
    if (!model_validate(&patients, penalty, &q) ||
        !model_fit(&patients, no_folds, -1, penalty, &m)) {
        fprintf(stderr, "the fit did not converge: are all patients of one kind?\n");
        return 1;
    }
    if (!write_results(root, &m, &q, parts)) return 1;
    printf("trained on %zu patients; the results are in /result\n", patients.rows);
    fflush(stdout);
    if (getenv("PAUSE_S")) pause_for(getenv("PAUSE_S"));
    return 0;
}
