//! What the host's processor can do.

/// What the host's processor has beyond what is always used.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Host {
    /// Fused multiply-add.
    pub fma: bool,
    /// Rounds of AES.
    pub aes: bool,
    /// Products of polynomials over {0, 1}.
    pub pclmul: bool,
    /// Rounds of SHA-1 and SHA-256.
    pub sha: bool,
}

impl Host {
    /// This host's.
    pub(in super::super) fn detect() -> Self {
        Self {
            fma: is_x86_feature_detected!("fma"),
            aes: is_x86_feature_detected!("aes"),
            pclmul: is_x86_feature_detected!("pclmulqdq"),
            sha: is_x86_feature_detected!("sha"),
        }
    }
}
