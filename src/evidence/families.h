/* The families of TEEs in this build, and the types each verifies. Included with FAMILY and TYPE
 * defined.
 *
 * A family joins by its lines here, once its files are in meson.build: FAMILY(name) for
 * cella_family_<name>, and TYPE(ENUM, function) for CELLA_EVIDENCE_<ENUM>, cella_verify_<function>
 * and cella_detect_<function>. Types are tried in this order when evidence is detected, so what has
 * a clear magic stands before what is told by sizes alone. */
FAMILY(software)
TYPE(SOFTWARE, software)
FAMILY(intel)
TYPE(SGX, sgx)
TYPE(TDX, tdx)
FAMILY(amd)
TYPE(SNP, snp)
FAMILY(nitro)
TYPE(NITRO, nitro)
FAMILY(maa)
TYPE(MAA, maa)
FAMILY(tpm)
TYPE(AZURE, azure)
TYPE(TPM, tpm)
TYPE(RATLS, ratls)
