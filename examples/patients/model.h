/* Logistic regression with an L2 penalty, by Newton's method, and how good it is. */
#ifndef PATIENTS_MODEL_H
#define PATIENTS_MODEL_H

#include "table.h"

enum { MODEL_WEIGHTS = TABLE_FEATURES + 1, MODEL_FOLDS = 5, MODEL_BINS = 5 };

/* P(malignant) = 1 / (1 + exp(-(weight[0] + sum weight[i+1] * (value[i] - mean[i]) /
 * deviation[i]))) */
struct model {
    double mean[TABLE_FEATURES];
    double deviation[TABLE_FEATURES]; /* population standard deviation; 1 where a feature never
                                         changes */
    double weight[MODEL_WEIGHTS];     /* [0] is the intercept, not penalised */
    int steps;                        /* Newton steps taken */
};

struct quality { /* of predictions made for patients that the model had not seen */
    double accuracy, sensitivity, specificity, auc;
    struct {
        size_t count;
        double predicted, observed;
    } bin[MODEL_BINS]; /* by predicted probability */
};

/* Fits on the rows whose fold is not `left_out` (-1: all). Minimises the sum of log losses +
 * penalty/2 |weight|², which has one minimum. False when that many steps do not reach it. */
bool model_fit(const struct table *table, const unsigned char fold[], int left_out, double penalty,
               struct model *out);
double model_predict(const struct model *model, const double value[TABLE_FEATURES]);
/* MODEL_FOLDS-fold cross-validation. The folds come from a fixed seed, so that every run agrees. */
bool model_validate(const struct table *table, double penalty, struct quality *out);

#endif
