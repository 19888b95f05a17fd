//! Redis, or what speaks its protocol, as a place for values by key.

mod stream;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, RedisError, Value};
use tokio::runtime::Runtime;
use tokio::time::{timeout_at, Instant};

use crate::errors::{guarded, ok, outcome, Fault, Result};
use crate::ffi::{Outcome, RedisOptions, RedisValue, RedisValues, Status};
use stream::{Allowance, Limited, Stream, Tls};

const WRONG_TYPE: &str = "WRONGTYPE";
/// Of anything but values.
const SMALL_ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// Of all values of one question. Parsed, an answer of tiny parts takes thirty times as much.
const ANSWER_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Owned by C++; one caller at a time.
pub struct Redis {
    address: Address,
    login: RedisConnectionInfo,
    /// To connect and to get an answer, together.
    timeout: Duration,
    /// None after a failure: what was asked for might still be answered there.
    connection: Option<Connection>,
}

enum Address {
    Socket(String),
    Network {
        host: String,
        port: u16,
        tls: Option<Tls>,
    },
}

/// Why there is no answer.
enum Failure {
    /// The other side has closed the connection, maybe long ago.
    Closed(Fault),
    Other(Fault),
}

struct Connection {
    commands: MultiplexedConnection,
    allowance: Allowance,
    /// Runs while a caller waits, and what reads the connection on it.
    runtime: Runtime,
}

pub fn open_redis(options: &RedisOptions) -> Result<Box<Redis>> {
    guarded("open_redis", || {
        let address = if options.socket.is_empty() {
            Address::Network {
                host: options.host.clone(),
                port: options.port,
                tls: match options.tls {
                    true => Some(Tls::new(&options.ca_file)?),
                    false => None,
                },
            }
        } else {
            Address::Socket(options.socket.clone())
        };
        Ok(Box::new(Redis {
            address,
            login: login(options),
            timeout: Duration::from_millis(options.timeout_ms.into()),
            connection: None,
        }))
    })
}

fn login(options: &RedisOptions) -> RedisConnectionInfo {
    let mut login = RedisConnectionInfo::default().set_db(options.database.into());
    if !options.username.is_empty() {
        login = login.set_username(&options.username);
    }
    if !options.password.is_empty() {
        login = login.set_password(&options.password);
    }
    login
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
            let allowed = (bytes_max + SMALL_ANSWER_BYTES_MAX).saturating_mul(keys.len() as u64);
            let answers = self.ask(allowed.min(ANSWER_BYTES_MAX), async |commands| {
                pipeline.query_async::<Vec<Value>>(commands).await
            });
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
            Ok(outcome(self.execute(command)))
        })
    }

    pub fn ping(&mut self) -> Result<Outcome> {
        guarded("ping", || {
            let command = redis::cmd("PING");
            Ok(outcome(self.execute(command)))
        })
    }

    fn execute(&mut self, command: Cmd) -> Result<()> {
        self.ask(SMALL_ANSWER_BYTES_MAX, async |commands| {
            command.exec_async(commands).await
        })
    }

    /// Within the time-out, and with so many bytes for the answer. May be asked twice.
    fn ask<T>(
        &mut self,
        bytes_max: u64,
        question: impl AsyncFn(&mut MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T> {
        let deadline = Instant::now() + self.timeout;
        if let Some(kept) = self.connection.take() {
            match self.ask_by(kept, deadline, bytes_max, &question) {
                // Servers close what has been idle for long.
                Err(Failure::Closed(_)) => (),
                Err(Failure::Other(fault)) => return Err(fault),
                Ok(answer) => return Ok(answer),
            }
        }
        let fresh = self.connect(deadline)?;
        self.ask_by(fresh, deadline, bytes_max, &question)
            .map_err(|failure| match failure {
                Failure::Closed(fault) | Failure::Other(fault) => fault,
            })
    }

    /// Keeps the connection unless something may still be on its way.
    fn ask_by<T>(
        &mut self,
        mut connection: Connection,
        deadline: Instant,
        bytes_max: u64,
        question: impl AsyncFn(&mut MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, Failure> {
        let Connection {
            commands,
            allowance,
            runtime,
        } = &mut connection;
        allowance.set(bytes_max);
        let answering = question(commands);
        let answer = runtime
            .block_on(self.within(deadline, "no answer", answering))
            .map_err(Failure::Other)?;
        self.check(allowance, bytes_max).map_err(Failure::Other)?;
        match answer {
            Ok(answer) => {
                self.connection = Some(connection);
                Ok(answer)
            }
            Err(error) if error.code().is_some() => {
                self.connection = Some(connection);
                Err(Failure::Other(self.fault_of(&error)))
            }
            Err(error) if error.is_io_error() || error.is_connection_dropped() => {
                Err(Failure::Closed(self.fault_of(&error)))
            }
            Err(error) => Err(Failure::Other(self.fault_of(&error))),
        }
    }

    fn check(&self, allowance: &Allowance, bytes_max: u64) -> Result<()> {
        if allowance.is_used_up() {
            let text = format!("{}: an answer of more than {bytes_max} bytes", self.address);
            return Err(Fault::new(Status::Failed, text));
        }
        Ok(())
    }

    /// The server's own words, or what became of the connection.
    fn fault_of(&self, error: &RedisError) -> Fault {
        let fault = fault_of(error);
        match error.code() {
            Some(_) => fault,
            None => fault.while_doing(&self.address),
        }
    }

    fn connect(&self, deadline: Instant) -> Result<Connection> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Fault::contract(format!("cannot start the runtime: {error}")))?;
        let allowance = Allowance::default();
        allowance.set(SMALL_ANSWER_BYTES_MAX);
        let commands = runtime.block_on(async {
            let limited = Limited {
                stream: self.stream(deadline).await?,
                allowance: allowance.clone(),
            };
            let settings = AsyncConnectionConfig::new().set_response_timeout(None);
            let greeting = MultiplexedConnection::new_with_config(&self.login, limited, settings);
            let greeted = self.within(deadline, "no answer", greeting).await?;
            self.check(&allowance, SMALL_ANSWER_BYTES_MAX)?;
            let (commands, reader) = greeted.map_err(|error| self.fault_of(&error))?;
            tokio::spawn(reader);
            Ok(commands)
        });
        // A name server may take its time; nobody waits for it.
        match commands {
            Ok(commands) => Ok(Connection {
                commands,
                allowance,
                runtime,
            }),
            Err(fault) => {
                runtime.shutdown_background();
                Err(fault)
            }
        }
    }

    async fn stream(&self, deadline: Instant) -> Result<Box<dyn Stream>> {
        let refused = |error| Fault::new(Status::Transient, format!("{}: {error}", self.address));
        match &self.address {
            Address::Socket(path) => {
                let connecting = stream::by_socket(path);
                let connected = self.within(deadline, "no connection", connecting).await?;
                connected.map_err(refused)
            }
            Address::Network { host, port, tls } => {
                let connecting = stream::by_network(host, *port);
                let connected = self.within(deadline, "no connection", connecting).await?;
                let stream = connected.map_err(refused)?;
                let Some(tls) = tls else {
                    return Ok(Box::new(stream));
                };
                let none = "no TLS handshake; does it speak TLS? It gave no answer";
                let encrypted = self
                    .within(deadline, none, tls.encrypt(stream, host))
                    .await?;
                encrypted.map_err(refused)
            }
        }
    }

    async fn within<T>(
        &self,
        deadline: Instant,
        otherwise: &str,
        step: impl Future<Output = T>,
    ) -> Result<T> {
        timeout_at(deadline, step).await.map_err(|_| {
            let (address, ms) = (&self.address, self.timeout.as_millis());
            let text = format!("{address}: {otherwise} within {ms} ms");
            Fault::new(Status::Transient, text)
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => f.write_str(path),
            Self::Network { host, port, .. } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Network { host, port, .. } => write!(f, "{host}:{port}"),
        }
    }
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
