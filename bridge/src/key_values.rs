//! Redis, or what speaks its protocol, as a place for values by key.

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use redis::{
    Client, Cmd, Connection, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, Pipeline,
    RedisConnectionInfo, RedisError, TlsCertificates, Value,
};

use crate::errors::{guarded, ok, outcome, Fault, Result};
use crate::ffi::{Outcome, RedisOptions, RedisValue, RedisValues, Status};

const WRONG_TYPE: &str = "WRONGTYPE";

/// Owned by C++; one caller at a time.
pub struct Redis {
    client: Client,
    /// To connect, and for each answer.
    timeout: Duration,
    /// None after a failure: what was asked for might still be answered there.
    connection: Option<Connection>,
}

pub fn open_redis(options: &RedisOptions) -> Result<Box<Redis>> {
    guarded("open_redis", || {
        Ok(Box::new(Redis {
            client: client(options).map_err(|error| Fault::contract(error.to_string()))?,
            timeout: Duration::from_millis(options.timeout_ms.into()),
            connection: None,
        }))
    })
}

fn client(options: &RedisOptions) -> Result<Client, RedisError> {
    let address = if options.socket.is_empty() {
        ConnectionAddr::Tcp(options.host.clone(), options.port)
    } else {
        ConnectionAddr::Unix(PathBuf::from(&options.socket))
    };
    let mut settings = RedisConnectionInfo::default().set_db(options.database.into());
    if !options.username.is_empty() {
        settings = settings.set_username(&options.username);
    }
    if !options.password.is_empty() {
        settings = settings.set_password(&options.password);
    }
    let server = |address: ConnectionAddr| -> Result<ConnectionInfo, RedisError> {
        Ok(address
            .into_connection_info()?
            .set_redis_settings(settings.clone()))
    };
    if !options.tls {
        return Client::open(server(address)?);
    }
    let address = ConnectionAddr::TcpTls {
        host: options.host.clone(),
        port: options.port,
        insecure: false,
        tls_params: None,
    };
    let certificates = TlsCertificates {
        client_tls: None,
        root_cert: match options.ca_file.as_str() {
            "" => None,
            path => Some(certificates_in(path)?),
        },
    };
    Client::build_with_tls(server(address)?, certificates)
}

/// The client would take a file without any for one that trusts nobody.
fn certificates_in(path: &str) -> io::Result<Vec<u8>> {
    let pem = std::fs::read(path)?;
    if String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
        return Ok(pem);
    }
    Err(io::Error::other("no certificate in it (expected PEM)"))
}

impl Redis {
    pub fn get(&mut self, keys: &[String], bytes_max: u64) -> Result<RedisValues> {
        guarded("get", || {
            let mut pipeline = Pipeline::with_capacity(keys.len());
            for key in keys {
                // Whatever is there: no more of it than can be of use.
                pipeline.cmd("GETRANGE").arg(key).arg(0).arg(bytes_max);
            }
            // Each answer for itself: one may be that the key holds something else than text.
            pipeline.ignore_errors();
            let answers = self.ask(|connection| pipeline.query::<Vec<Value>>(connection));
            let values = answers.and_then(|answers| answers.into_iter().map(value_of).collect());
            Ok(match values {
                Ok(values) => RedisValues {
                    outcome: ok(),
                    values,
                },
                Err(fault) => RedisValues {
                    outcome: fault.into(),
                    values: Vec::new(),
                },
            })
        })
    }

    pub fn set(&mut self, key: &str, value: &str, keep_s: u64) -> Result<Outcome> {
        guarded("set", || {
            let mut command = Cmd::new();
            command.arg("SET").arg(key).arg(value).arg("EX").arg(keep_s);
            Ok(outcome(self.ask(|connection| command.exec(connection))))
        })
    }

    pub fn ping(&mut self) -> Result<Outcome> {
        guarded("ping", || {
            let command = redis::cmd("PING");
            Ok(outcome(self.ask(|connection| command.exec(connection))))
        })
    }

    fn ask<T>(
        &mut self,
        question: impl FnOnce(&mut Connection) -> Result<T, RedisError>,
    ) -> Result<T> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().map_err(|error| fault_of(&error))?,
        };
        let answer = question(&mut connection);
        if answer.as_ref().map_or_else(is_of_the_server, |_| true) {
            self.connection = Some(connection);
        }
        answer.map_err(|error| fault_of(&error))
    }

    fn connect(&self) -> Result<Connection, RedisError> {
        let connection = self.client.get_connection_with_timeout(self.timeout)?;
        connection.set_read_timeout(Some(self.timeout))?;
        connection.set_write_timeout(Some(self.timeout))?;
        Ok(connection)
    }
}

/// The server answered: nothing is left on the way.
fn is_of_the_server(error: &RedisError) -> bool {
    error.code().is_some()
}

fn value_of(answer: Value) -> Result<RedisValue> {
    match answer {
        Value::BulkString(bytes) => Ok(RedisValue {
            // Absent and empty are told alike.
            text: String::from_utf8(bytes).unwrap_or_default(),
        }),
        Value::ServerError(error) if error.code() == WRONG_TYPE => Ok(RedisValue::default()),
        Value::ServerError(error) => Err(fault_of(&RedisError::from(error))),
        _ => Err(Fault::new(Status::Failed, "an answer of an unknown kind")),
    }
}

fn fault_of(error: &RedisError) -> Fault {
    let status = if error.code().is_some() {
        Status::Failed
    } else {
        Status::Transient
    };
    Fault::new(status, error.to_string().trim_end_matches('.'))
}
