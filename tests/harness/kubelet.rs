//! A kubelet as its clients see it: `GET /pods` over TLS, with a token, and everything that can go
//! wrong with it.

use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What it answers whoever shows the right token.
#[derive(Clone, Debug)]
pub enum Says {
    /// A body with status 200.
    Body(String),
    Status(u16),
    /// Nothing, for long.
    Nothing,
    /// JSON without an end.
    Endless,
}

#[derive(Debug)]
struct Shared {
    token: String,
    says: Says,
    /// Status of each answer; 0 where none was given.
    answered: Vec<u16>,
}

/// It listens until it is dropped.
#[derive(Debug)]
pub struct Kubelet {
    pub url: String,
    dir: PathBuf,
    shared: Arc<Mutex<Shared>>,
    // Dropped, it ends the server and its connections.
    _runtime: tokio::runtime::Runtime,
}

impl Kubelet {
    /// Starts one whose authority, `ca.crt`, is made in `dir`, as is the file `token`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(dir: &Path, says: Says) -> Self {
        certificates(dir);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let shared = Shared { token: String::new(), says, answered: Vec::new() };
        let shared = Arc::new(Mutex::new(shared));
        runtime.spawn(serve(listener, acceptor(dir), Arc::clone(&shared)));
        let url = format!("https://{address}");
        let own = Self { url, dir: dir.to_owned(), shared, _runtime: runtime };
        own.rotate("the-first-token");
        own
    }

    /// From now on only this token is good; the file is replaced as a volume of Kubernetes is.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn rotate(&self, token: &str) {
        token.clone_into(&mut self.shared.lock().token);
        let new = self.dir.join("..token");
        std::fs::write(&new, format!("{token}\n")).expect("it is written");
        std::fs::rename(new, self.dir.join("token")).expect("it is moved");
    }

    pub fn say(&self, says: Says) {
        self.shared.lock().says = says;
    }

    /// The status of each answer so far.
    #[must_use]
    pub fn answered(&self) -> Vec<u16> {
        self.shared.lock().answered.clone()
    }

    /// Lines of configuration for an agent that asks it.
    #[must_use]
    pub fn config(&self) -> String {
        let path = |name: &str| self.dir.join(name).display().to_string();
        format!(
            "[kubernetes]\nsource = \"kubelet\"\nkubelet_url = {:?}\ntoken_file = {:?}\n\
             ca_file = {:?}\nrefresh_interval = \"5s\"\ntimeout = \"1s\"\n",
            self.url,
            path("token"),
            path("ca.crt")
        )
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, shared: Arc<Mutex<Shared>>) {
    loop {
        let Ok((tcp, _)) = listener.accept().await else { continue };
        let (tls, shared) = (tls.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let Ok(mut stream) = tls.accept(tcp).await else { return };
            let mut request = Vec::new();
            let mut part = [0; 1024];
            while !request.ends_with(b"\r\n\r\n") {
                match stream.read(&mut part).await {
                    Ok(n) if n > 0 => request.extend_from_slice(&part[..n]),
                    _ => return,
                }
            }
            let (status, body, is_endless) = answer(&mut shared.lock(), &request);
            if status == 0 {
                // Says nothing until whoever asked has gone away.
                while stream.read(&mut part).await.is_ok_and(|n| n > 0) {}
                return;
            }
            let length = if is_endless {
                String::new()
            } else {
                format!("Content-Length: {}\r\n", body.len())
            };
            let head = format!("HTTP/1.1 {status} Said\r\n{length}Connection: close\r\n\r\n");
            // Whoever has gone away has lost the answer.
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(body.as_bytes()).await;
            while is_endless && stream.write_all(&[b' '; 1 << 16]).await.is_ok() {}
            let _ = stream.shutdown().await;
        });
    }
}

/// Status, body, and whether spaces without an end follow it.
fn answer(shared: &mut Shared, request: &[u8]) -> (u16, String, bool) {
    let text = String::from_utf8_lossy(request).into_owned();
    let bearer = text.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("authorization").then(|| value.strip_prefix("Bearer "))?
    });
    let (status, body, is_endless) = if !text.starts_with("GET /pods HTTP/1.1\r\n") {
        (404, "404 page not found\n".to_owned(), false)
    } else if bearer != Some(&shared.token) {
        (401, "Unauthorized".to_owned(), false)
    } else {
        match &shared.says {
            Says::Body(body) => (200, body.clone(), false),
            Says::Status(403) => (
                403,
                "Forbidden (user=system:serviceaccount:monitoring:plimsoll, verb=get, \
                 resource=nodes, subresource(s)=[pods proxy])"
                    .to_owned(),
                false,
            ),
            Says::Status(status) => (*status, String::new(), false),
            Says::Nothing => (0, String::new(), false),
            Says::Endless => (200, "{\"kind\":\"PodList\",\"items\":[".to_owned(), true),
        }
    };
    shared.answered.push(status);
    (status, body, is_endless)
}

/// An authority, and a certificate of it for this machine.
fn certificates(dir: &Path) {
    std::fs::write(dir.join("ext"), "subjectAltName=IP:127.0.0.1\n").expect("it is written");
    let run = |words: &[&str]| {
        let output = Command::new("openssl").args(words).current_dir(dir).output();
        let output = output.expect("openssl starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let key = ["-newkey", "rsa:2048", "-nodes"];
    let own = ["req", "-x509", "-days", "2", "-subj", "/CN=cluster", "-out", "ca.crt"];
    run(&[&own[..], &key, &["-keyout", "ca.key"]].concat());
    let own = ["req", "-subj", "/CN=system:node:node-1", "-out", "kubelet.csr"];
    run(&[&own[..], &key, &["-keyout", "kubelet.key"]].concat());
    let own = ["x509", "-req", "-in", "kubelet.csr", "-CA", "ca.crt", "-CAkey", "ca.key"];
    let more = ["-CAcreateserial", "-days", "2", "-extfile", "ext", "-out", "kubelet.crt"];
    run(&[&own[..], &more].concat());
}

fn acceptor(dir: &Path) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(dir.join("kubelet.crt")).expect("it can be read");
    let chain = chain.map(|one| one.expect("it is a certificate")).collect();
    let key = PrivateKeyDer::from_pem_file(dir.join("kubelet.key")).expect("it is a key");
    let provider = tokio_rustls::rustls::crypto::ring::default_provider();
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .expect("the versions are good")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("the key is the certificate's");
    TlsAcceptor::from(Arc::new(config))
}
