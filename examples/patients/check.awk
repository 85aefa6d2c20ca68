# An opinion on a model of its own: awk -f check.awk model.csv patients.csv...
# The loss is strictly convex, so a model is the right one exactly where the loss has no slope. This computes the
# slope for the patients given, in another language and without any of the program's code, and the share of these
# patients that the model gets right. Prints both; exit status 1 when the steepest slope is over 0.001.
BEGIN { FS = ","; penalty = 1 }
FNR == 1 { nfile++; next }
nfile == 1 { n++; weight[n - 1] = $2; mean[n - 1] = $3; deviation[n - 1] = $4; next }
{
    z = weight[0]
    for (i = 1; i < n; i++) { x[i] = ($i - mean[i]) / deviation[i]; z += weight[i] * x[i] }
    malignant = 1 - $n
    p = 1 / (1 + exp(-z))
    slope[0] += p - malignant
    for (i = 1; i < n; i++) slope[i] += (p - malignant) * x[i]
    rows++
    right += (p >= 0.5) == malignant
}
END {
    for (i = 0; i < n; i++) {
        if (i > 0) slope[i] += penalty * weight[i]
        s = slope[i] < 0 ? -slope[i] : slope[i]
        if (s > steepest) steepest = s
    }
    printf "%d patients, %d coefficients, steepest slope %.2g, %.4f of the patients right\n", rows, n, steepest, right / rows
    exit !(n == 31 && rows > 100 && steepest <= 0.001)
}
