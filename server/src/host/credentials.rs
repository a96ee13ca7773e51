//! Certificates for TLS, as objects.

use std::path::PathBuf;

use ferrite_cli::object::ObjectSpec;
use ferrite_qmp::error::Error;
use ferrite_qmp::schema::{ObjectOptionsVariant, ObjectType, QCryptoTLSCredsEndpoint};

use super::object_text;
use crate::tls::{Credentials, Registry, default_folder};

/// What `tls-creds-x509` was made with.
pub(super) struct Certificates {
    pub dir: PathBuf,
    pub endpoint: QCryptoTLSCredsEndpoint,
    pub verify_peer: bool,
}

/// Loads an object of the command line if it is of this kind.
pub fn load(spec: &ObjectSpec, registry: &Registry) -> Result<(), Error> {
    if spec.kind != ObjectType::TlsCredsX509.as_str() {
        return Ok(());
    }
    let options = object_text::options(spec)?;
    make(&options.id, options.variant, registry).map(drop)
}

/// Loads the certificates and makes them known.
pub(super) fn make(
    id: &str,
    variant: ObjectOptionsVariant,
    registry: &Registry,
) -> Result<Option<Certificates>, Error> {
    let ObjectOptionsVariant::TlsCredsX509 {
        verify_peer,
        dir,
        endpoint,
    } = variant
    else {
        return Ok(None);
    };
    let made = Certificates {
        dir: dir.map_or_else(default_folder, PathBuf::from),
        endpoint: endpoint.unwrap_or(QCryptoTLSCredsEndpoint::Client),
        verify_peer: verify_peer.unwrap_or(true),
    };
    let loaded = match made.endpoint {
        QCryptoTLSCredsEndpoint::Server => Credentials::server(&made.dir, made.verify_peer),
        QCryptoTLSCredsEndpoint::Client if !made.verify_peer => {
            return Err(Error::generic(
                "a client that does not look at the server's certificate is not supported",
            ));
        }
        QCryptoTLSCredsEndpoint::Client => Credentials::client(&made.dir),
    };
    let loaded = loaded.map_err(|error| {
        Error::generic(format!(
            "Unable to load the TLS credentials '{id}': {error}"
        ))
    })?;
    registry.add(id, loaded);
    Ok(Some(made))
}
