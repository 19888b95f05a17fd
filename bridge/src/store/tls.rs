//! Whose certificates are trusted, and what is wrong with one that is not.

use std::error::Error;

use delta_kernel::object_store::{Certificate, ClientOptions};
use rustls::CertificateError;

use crate::errors::{chain, Fault, Result};
use crate::ffi::Status;

/// The certificates of `aws_ca_bundle` instead of the system's, if there is such a file.
#[derive(Debug, Default)]
pub(super) struct Trust(Option<Bundle>);

#[derive(Debug)]
struct Bundle {
    path: String,
    pem: Vec<u8>,
}

impl Trust {
    pub(super) fn new(bundle: Option<String>) -> Result<Self> {
        let Some(path) = bundle else {
            return Ok(Self(None));
        };
        let refused = |why: String| Fault::contract(format!("AWS_CA_BUNDLE: {path}: {why}"));
        let pem = std::fs::read(&path).map_err(|error| refused(error.to_string()))?;
        let found = Certificate::from_pem_bundle(&pem).map_err(|e| refused(e.to_string()))?;
        if found.is_empty() {
            return Err(refused("no certificate in it (expected PEM)".to_owned()));
        }
        Ok(Self(Some(Bundle { path, pem })))
    }

    pub(super) fn apply_to_store(&self, options: ClientOptions) -> Result<ClientOptions> {
        let Some(bundle) = &self.0 else {
            return Ok(options);
        };
        let certificates = Certificate::from_pem_bundle(&bundle.pem)?;
        Ok(certificates.into_iter().fold(
            options.with_no_system_certificates(true),
            ClientOptions::with_root_certificate,
        ))
    }

    pub(super) fn apply(&self, builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder> {
        let Some(bundle) = &self.0 else {
            return Ok(builder);
        };
        let certificates = reqwest::Certificate::from_pem_bundle(&bundle.pem)
            .map_err(|error| Fault::contract(error.to_string()))?;
        Ok(builder.tls_certs_only(certificates))
    }

    /// What is wrong with the certificate of `address`, which `variable` names, if `error` is about
    /// that. It may be mended while we wait.
    pub(super) fn refusal(
        &self,
        error: &(dyn Error + 'static),
        address: &str,
        variable: &str,
    ) -> Option<Fault> {
        let certificate = chain(error).find_map(|link| match link.downcast_ref() {
            Some(rustls::Error::InvalidCertificate(certificate)) => Some(certificate),
            _ => None,
        })?;
        use CertificateError as E;
        let what = match certificate {
            E::Expired | E::ExpiredContext { .. } => format!(
                "has expired ({certificate}): renew it, or one of its CA in AWS_CA_BUNDLE, or set \
                 this machine's clock"
            ),
            E::NotValidYet | E::NotValidYetContext { .. } => {
                format!("is not valid yet ({certificate}): set this machine's clock")
            }
            E::NotValidForName | E::NotValidForNameContext { .. } => format!(
                "is for another host ({certificate}): {variable} must name the host as the \
                 certificate does"
            ),
            other => format!(
                "is not trusted ({other}): {} the CA that issued it",
                match &self.0 {
                    None => "name a PEM file in AWS_CA_BUNDLE that holds".to_owned(),
                    Some(bundle) => format!(
                        "AWS_CA_BUNDLE ({}) is all that counts and must hold",
                        bundle.path
                    ),
                }
            ),
        };
        Some(Fault::new(
            Status::Transient,
            format!("the certificate of {address} ({variable}) {what}"),
        ))
    }
}
