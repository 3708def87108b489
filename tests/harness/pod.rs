//! A pod's manifest as a kubelet reads it, and the directories that it makes of the pod's volumes.

use saphyr::{LoadableYamlNode as _, Yaml};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// The documents of a file of manifests.
///
/// # Panics
/// When it is no YAML.
#[must_use]
pub fn manifests(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let documents = Yaml::load_from_str(&text).expect("YAML");
    documents.iter().map(value).collect()
}

fn value(yaml: &Yaml<'_>) -> Value {
    if let Some(sequence) = yaml.as_sequence() {
        return sequence.iter().map(value).collect();
    }
    if let Some(mapping) = yaml.as_mapping() {
        let entries = mapping.iter();
        let entry = |(key, of): (&Yaml<'_>, &Yaml<'_>)| Some((key.as_str()?.to_owned(), value(of)));
        return Value::Object(entries.filter_map(entry).collect());
    }
    if let Some(number) = yaml.as_integer() {
        return number.into();
    }
    if let Some(truth) = yaml.as_bool() {
        return truth.into();
    }
    yaml.as_str().map_or(Value::Null, Into::into)
}

/// What a controller makes pods of: their spec, with one container.
#[derive(Clone, Debug)]
pub struct Pod {
    pub spec: Value,
}

impl Pod {
    /// The pod of the `kind` among `manifests`.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn of(manifests: &[Value], kind: &str) -> Self {
        let found = manifests.iter().find(|manifest| manifest["kind"] == kind);
        let spec = found.unwrap_or_else(|| panic!("no {kind}"))["spec"]["template"]["spec"].clone();
        assert_eq!(spec["containers"].as_array().map(Vec::len), Some(1), "one container");
        Self { spec }
    }

    #[must_use]
    pub fn container(&self) -> &Value {
        &self.spec["containers"][0]
    }

    /// Names of what the container may do, as Kubernetes names them.
    ///
    /// # Panics
    /// When it does not begin with none.
    #[must_use]
    pub fn capabilities(&self) -> Vec<String> {
        let capabilities = &self.container()["securityContext"]["capabilities"];
        assert_eq!(capabilities["drop"], serde_json::json!(["ALL"]), "least privilege");
        let added = capabilities["add"].as_array().into_iter().flatten();
        added.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// The same pod with other capabilities.
    #[must_use]
    pub fn with_capabilities(mut self, names: &[&str]) -> Self {
        self.spec["containers"][0]["securityContext"]["capabilities"]["add"] =
            serde_json::json!(names);
        self
    }

    /// The same pod with another entry of its spec.
    #[must_use]
    pub fn with(mut self, key: &str, to: impl Into<Value>) -> Self {
        self.spec[key] = to.into();
        self
    }

    /// The same pod under another seccomp profile.
    #[must_use]
    pub fn with_seccomp(mut self, profile: &str) -> Self {
        self.spec["securityContext"]["seccompProfile"]["type"] = profile.into();
        self
    }

    /// The same pod without one variable of its environment.
    ///
    /// # Panics
    /// When there is no environment.
    #[must_use]
    pub fn without_variable(mut self, name: &str) -> Self {
        let env = self.spec["containers"][0]["env"].as_array_mut().expect("an environment");
        env.retain(|variable| variable["name"] != name);
        self
    }

    /// The same pod without one of its mounts.
    ///
    /// # Panics
    /// When there is none of that name.
    #[must_use]
    pub fn without_mount(mut self, name: &str) -> Self {
        let mounts = self.spec["containers"][0]["volumeMounts"].as_array_mut().expect("mounts");
        let before = mounts.len();
        mounts.retain(|mount| mount["name"] != name);
        assert_eq!(mounts.len() + 1, before, "{name}");
        self
    }

    /// The same pod that may write to one of its mounts.
    ///
    /// # Panics
    /// When there is none of that name.
    #[must_use]
    pub fn with_writable_mount(mut self, name: &str) -> Self {
        let mounts = self.spec["containers"][0]["volumeMounts"].as_array_mut().expect("mounts");
        let mount = mounts.iter_mut().find(|mount| mount["name"] == name).expect("such a mount");
        mount["readOnly"] = false.into();
        mount["recursiveReadOnly"] = Value::Null;
        self
    }
}

/// A ConfigMap or Secret as a kubelet keeps it in a directory: each name is a link through
/// `..data`, which one rename lets point to another generation.
#[derive(Debug)]
pub struct Published {
    dir: PathBuf,
    mode: u32,
    generation: u32,
}

impl Published {
    /// # Panics
    /// When the directory cannot be made.
    #[must_use]
    pub fn new(dir: &Path, mode: u32) -> Self {
        fs::create_dir_all(dir).expect("a directory");
        Self { dir: dir.to_owned(), mode, generation: 0 }
    }

    /// Swaps in `files`, all at once.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn publish(&mut self, files: &[(&str, &str)]) {
        let before = self.dir.join(format!("..{}", self.generation));
        self.generation += 1;
        let name = format!("..{}", self.generation);
        fs::create_dir(self.dir.join(&name)).expect("a directory");
        for (file, content) in files {
            let path = self.dir.join(&name).join(file);
            fs::write(&path, content).expect("it is written");
            fs::set_permissions(&path, fs::Permissions::from_mode(self.mode)).expect("a mode");
            // There already, from the second generation on.
            let _ = symlink(Path::new("..data").join(file), self.dir.join(file));
        }
        let next = self.dir.join("..data_tmp");
        symlink(&name, &next).expect("a link");
        fs::rename(&next, self.dir.join("..data")).expect("it is swapped");
        // There is none before the first.
        let _ = fs::remove_dir_all(before);
    }
}
