# Reference values of DeLong's test by pROC, for the binary cases of fixtures.json:
#
#   apt-get install r-cran-proc r-cran-jsonlite
#   Rscript host/stats/testdata/proc.R host/stats/testdata/fixtures.json > host/stats/testdata/proc.json
suppressMessages(library(pROC))
library(jsonlite)
cases <- fromJSON(commandArgs(trailingOnly = TRUE)[1], simplifyDataFrame = FALSE)$binary
out <- list()
for (i in seq_along(cases)) {
  c <- cases[[i]]
  if (!is.null(c$weights) || length(unique(c$labels)) < 2) next
  a <- roc(c$labels, c$scores, direction = "<", quiet = TRUE)
  b <- roc(c$labels, c$other, direction = "<", quiet = TRUE)
  test <- roc.test(a, b, method = "delong", paired = TRUE)
  out[[length(out) + 1]] <- list(
    case = i - 1, auroc = as.numeric(auc(a)), variance = var(a, method = "delong"),
    difference = as.numeric(auc(b)) - as.numeric(auc(a)), p = as.numeric(test$p.value))
}
cat(toJSON(out, auto_unbox = TRUE, digits = NA), "\n", sep = "")
