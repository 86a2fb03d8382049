//! kube-controller-manager, whose own pruning is what ours is compared with.

use reqwest::Method;

use super::{Answer, ControlPlane, Object, SERVICE_ACCOUNTS, pki, program};
use crate::server::Server;
use crate::wait;

impl ControlPlane {
    /// Starts kube-controller-manager with further flags, which come last and so win, and waits until its controllers work, about two seconds. Nodes
    /// are never found unready by it, and pods are not moved away from them: nobody writes the heartbeats of these.
    pub async fn start_controllers(&mut self, args: &[&str]) {
        assert!(self.controllers.is_none(), "kube-controller-manager runs already");
        let kubeconfig = pki::make_user(self.dir(), "system:kube-controller-manager", &[]);
        let file = |name: &str| self.dir().join("pki").join(name).display().to_string();
        let mut flags = [
            format!("--kubeconfig={}", kubeconfig.display()),
            "--leader-elect=false".to_owned(),
            "--controllers=*,-node-lifecycle-controller,-taint-eviction-controller".to_owned(),
            "--use-service-account-credentials".to_owned(),
            format!("--service-account-private-key-file={}", file("sa.key")),
            format!("--root-ca-file={}", file("ca.crt")),
            // It serves nothing here: no port, and no certificates of its own.
            "--secure-port=0".to_owned(),
        ]
        .to_vec();
        flags.extend(args.iter().map(|&arg| arg.to_owned()));
        self.controllers = Some(Server::start(&program("kube-controller-manager"), &flags, &self.dir().join("controllers.log")));
        self.wait_until_controllers_work().await.unwrap_or_else(|why| panic!("kube-controller-manager did not start: {why}"));
    }

    /// Ends kube-controller-manager: from now on nothing is pruned, completed or collected. It can be started again.
    pub fn end_controllers(&mut self) {
        self.controllers = None;
    }

    /// The service account that each namespace has from one of the controllers is removed and comes back: without it no pod can be created.
    async fn wait_until_controllers_work(&mut self) -> Result<(), String> {
        let account = format!("{}/default", SERVICE_ACCOUNTS.path("kube-public"));
        let removed = self.ask(Method::DELETE, &account, &[], None).await;
        assert!(matches!(removed.status, 200 | 404), "{removed:?}");
        self.wait_for_controllers("a service account to come back", async |plane| match plane.ask(Method::GET, &account, &[], None).await {
            Answer { status: 200, .. } => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await
    }

    /// Looks until a look finds its answer, or kube-controller-manager has ended.
    async fn wait_for_controllers(&mut self, what: &str, look: impl AsyncFn(&Self) -> Result<(), String>) -> Result<(), String> {
        let mut controllers = self.controllers.take().expect("kube-controller-manager runs");
        let waited = controllers.wait_until(what, async || look(self).await).await;
        self.controllers = Some(controllers);
        waited
    }

    /// Creates a namespace and, where kube-controller-manager runs, waits until pods can be created in it.
    pub async fn create_namespace(&self, name: &str) {
        self.create(&Object::namespace(name)).await;
        if self.controllers.is_some() {
            let account = async || match self.names_in(name, &SERVICE_ACCOUNTS).await {
                accounts if accounts.is_empty() => Err("it has none".to_owned()),
                _ => Ok(()),
            };
            wait::until_async("a service account in a new namespace", wait::LONG, account).await.unwrap_or_else(|why| panic!("{why}"));
        }
    }
}
