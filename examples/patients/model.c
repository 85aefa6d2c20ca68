#include "model.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Newton's method on a smooth, strictly convex loss (here called iteratively reweighted least
 * squares) squares its error with every step near the minimum: some ten steps reach machine
 * precision, where gradient descent would need thousands. Its price, a 31 by 31 system per step, is
 * nothing at this size. Far from the minimum a full step can overshoot, so steps are halved until
 * the loss falls. */
enum { STEPS_MAX = 50, HALVINGS_MAX = 30 };

typedef double row_weights[MODEL_WEIGHTS];

static void standardise(const struct table *t, const unsigned char fold[], int left_out,
                        struct model *m) {
    size_t used = 0;
    memset(m, 0, sizeof(*m));
    for (size_t r = 0; r < t->rows; r++) {
        if (fold[r] == left_out) continue;
        used++;
        for (size_t i = 0; i < TABLE_FEATURES; i++) m->mean[i] += t->value[r][i];
    }
    for (size_t i = 0; i < TABLE_FEATURES; i++) m->mean[i] /= (double)used;
    for (size_t r = 0; r < t->rows; r++)
        for (size_t i = 0; i < TABLE_FEATURES && fold[r] != left_out; i++)
            m->deviation[i] += (t->value[r][i] - m->mean[i]) * (t->value[r][i] - m->mean[i]);
    for (size_t i = 0; i < TABLE_FEATURES; i++) {
        m->deviation[i] = sqrt(m->deviation[i] / (double)used);
        if (m->deviation[i] <= 0) m->deviation[i] = 1;
    }
}

static void inputs(const struct model *m, const double value[], double x[MODEL_WEIGHTS]) {
    x[0] = 1;
    for (size_t i = 0; i < TABLE_FEATURES; i++)
        x[i + 1] = (value[i] - m->mean[i]) / m->deviation[i];
}

static double dot(const double a[], const double b[]) {
    double sum = 0;
    for (size_t i = 0; i < MODEL_WEIGHTS; i++) sum += a[i] * b[i];
    return sum;
}

static double sigmoid(double z) { return z >= 0 ? 1 / (1 + exp(-z)) : exp(z) / (1 + exp(z)); }

double model_predict(const struct model *m, const double value[TABLE_FEATURES]) {
    double x[MODEL_WEIGHTS];
    inputs(m, value, x);
    return sigmoid(dot(m->weight, x));
}

/* Loss at weight w; where gradient is given, also the gradient and the upper half of the Hessian.
 */
static double loss(const struct table *t, const unsigned char fold[], int left_out, double penalty,
                   const struct model *m, const double w[], double *gradient,
                   row_weights *hessian) {
    double sum = 0;
    if (gradient) {
        memset(gradient, 0, sizeof(row_weights));
        memset(hessian, 0, MODEL_WEIGHTS * sizeof(row_weights));
    }
    for (size_t r = 0; r < t->rows; r++) {
        if (fold[r] == left_out) continue;
        double x[MODEL_WEIGHTS];
        inputs(m, t->value[r], x);
        double z = dot(w, x), p = sigmoid(z), y = t->malignant[r];
        sum +=
            (z > 0 ? z : 0) + log1p(exp(-fabs(z))) - y * z; /* log(1 + e^z) - yz without overflow */
        for (size_t i = 0; gradient && i < MODEL_WEIGHTS; i++) {
            gradient[i] += (p - y) * x[i];
            for (size_t j = i; j < MODEL_WEIGHTS; j++) hessian[i][j] += p * (1 - p) * x[i] * x[j];
        }
    }
    for (size_t i = 1; i < MODEL_WEIGHTS; i++) {
        sum += penalty / 2 * w[i] * w[i];
        if (gradient) {
            gradient[i] += penalty * w[i];
            hessian[i][i] += penalty;
        }
    }
    return sum;
}

/* Solves A x = b by Cholesky's factors; A's upper half is given and is overwritten. */
static bool solve(row_weights *a, const double b[], double x[]) {
    for (size_t i = 0; i < MODEL_WEIGHTS; i++) {
        for (size_t j = i; j < MODEL_WEIGHTS; j++) {
            double sum = a[i][j];
            for (size_t k = 0; k < i; k++) sum -= a[k][i] * a[k][j];
            if (i == j && !(sum > 0)) return false;
            a[i][j] = i == j ? sqrt(sum) : sum / a[i][i];
        }
    }
    for (size_t i = 0; i < MODEL_WEIGHTS; i++) {
        x[i] = b[i];
        for (size_t k = 0; k < i; k++) x[i] -= a[k][i] * x[k];
        x[i] /= a[i][i];
    }
    for (size_t i = MODEL_WEIGHTS; i-- > 0;) {
        for (size_t k = i + 1; k < MODEL_WEIGHTS; k++) x[i] -= a[i][k] * x[k];
        x[i] /= a[i][i];
    }
    return true;
}

bool model_fit(const struct table *t, const unsigned char fold[], int left_out, double penalty,
               struct model *m) {
    row_weights gradient, step, next, hessian[MODEL_WEIGHTS];
    standardise(t, fold, left_out, m);
    for (m->steps = 0; m->steps < STEPS_MAX; m->steps++) {
        double now = loss(t, fold, left_out, penalty, m, m->weight, gradient, hessian);
        if (!solve(hessian, gradient, step)) return false;
        double fall = dot(gradient, step); /* twice what a full step would gain */
        if (fall < 1e-16 * (1 + now)) return true;
        double length = 1, then = now;
        for (int h = 0; h < HALVINGS_MAX; h++, length /= 2) {
            for (size_t i = 0; i < MODEL_WEIGHTS; i++) next[i] = m->weight[i] - length * step[i];
            then = loss(t, fold, left_out, penalty, m, next, NULL, NULL);
            if (then <= now - 1e-4 * length * fall) break;
        }
        if (!(then < now)) return fall < 1e-9 * (1 + now); /* as low as rounding lets it go */
        memcpy(m->weight, next, sizeof(m->weight));
    }
    return false;
}

/* splitmix64: small, and the same everywhere. Not for anything secret. */
static uint64_t next_number(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void make_folds(size_t rows, unsigned char fold[]) {
    uint64_t state = 569;
    for (size_t r = 0; r < rows; r++) fold[r] = (unsigned char)(r % MODEL_FOLDS);
    for (size_t r = rows; r-- > 1;) {
        size_t other = (size_t)(next_number(&state) % (r + 1));
        unsigned char keep = fold[r];
        fold[r] = fold[other];
        fold[other] = keep;
    }
}

/* The chance that a malignant case is ranked above a benign one; ties count half. */
static double area_under_curve(const struct table *t, const double p[]) {
    double above = 0, pairs = 0;
    for (size_t i = 0; i < t->rows; i++) {
        for (size_t j = 0; t->malignant[i] && j < t->rows; j++) {
            if (t->malignant[j]) continue;
            pairs++;
            above += p[i] > p[j] ? 1 : p[i] < p[j] ? 0 : 0.5;
        }
    }
    return pairs > 0 ? above / pairs : 0;
}

static void judge(const struct table *t, const double p[], struct quality *q) {
    size_t right[2] = {0, 0}, all[2] = {0, 0};
    memset(q, 0, sizeof(*q));
    for (size_t r = 0; r < t->rows; r++) {
        bool truth = t->malignant[r];
        all[truth]++;
        right[truth] += (p[r] >= 0.5) == truth;
        size_t b = (size_t)(p[r] * MODEL_BINS);
        if (b >= MODEL_BINS) b = MODEL_BINS - 1;
        q->bin[b].count++;
        q->bin[b].predicted += p[r];
        q->bin[b].observed += truth;
    }
    q->accuracy = (double)(right[0] + right[1]) / (double)t->rows;
    q->sensitivity = all[1] ? (double)right[1] / (double)all[1] : 0;
    q->specificity = all[0] ? (double)right[0] / (double)all[0] : 0;
    q->auc = area_under_curve(t, p);
    for (size_t b = 0; b < MODEL_BINS; b++) {
        if (q->bin[b].count == 0) continue;
        q->bin[b].predicted /= (double)q->bin[b].count;
        q->bin[b].observed /= (double)q->bin[b].count;
    }
}

bool model_validate(const struct table *t, double penalty, struct quality *out) {
    static unsigned char fold[TABLE_ROWS];
    static double p[TABLE_ROWS];
    make_folds(t->rows, fold);
    for (int f = 0; f < MODEL_FOLDS; f++) {
        struct model m;
        if (!model_fit(t, fold, f, penalty, &m)) return false;
        for (size_t r = 0; r < t->rows; r++)
            if (fold[r] == f) p[r] = model_predict(&m, t->value[r]);
    }
    judge(t, p, out);
    return true;
}
