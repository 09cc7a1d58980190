//! The server over sockets: plain and with TLS, both versions of HTTP.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use kube::{Client, Config};
use kube_sim::serve;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::support::*;

async fn use_it(config: Config) {
    let client = Client::try_from(config).unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let map: ConfigMap = json_tree::from_value(&config_map("a", "1")).unwrap();
    maps.create(&PostParams::default(), &map).await.unwrap();
    assert_eq!(
        maps.get("a").await.unwrap().data.unwrap().get("k").map(String::as_str),
        Some("1")
    );
}

#[tokio::test]
async fn plain_http_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = server();
    let task = tokio::spawn(serve(server, listener, None, async {
        let _ = stopped.await;
    }));
    use_it(Config::new(format!("http://{address}").parse().unwrap())).await;
    stop.send(()).unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn tls_is_served() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut tls = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let task = tokio::spawn(serve(server(), listener, Some(acceptor), std::future::pending()));
    let mut config = Config::new(format!("https://localhost:{}", address.port()).parse().unwrap());
    config.root_cert = Some(vec![made.cert.der().to_vec()]);
    use_it(config).await;
    task.abort();
}
