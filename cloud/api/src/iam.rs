//! The `iam` service, as far as installers and people need it for roles: the query protocol.

use hyper::http::request::Parts;
use marram_aws::ApiError;
use marram_aws::iam::{Operation, Policy, Role, response, write_document, write_page};
use marram_aws::query::Call;
use marram_aws::xml::Writer;
use marram_registry::{NewPolicy, NewRole, Registry, no_such_role_policy};

use crate::audit::Deed;
use crate::authority::Authority;
use crate::envelope::Answer;

/// IAM's own page size, and the most that can be asked for.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;

/// Answers one call, from a form body or from the query of a presigned URL.
pub(crate) async fn answer(
    registry: &Registry,
    parts: &Parts,
    body: &[u8],
    request_id: &str,
    authority: &Authority,
    deed: &mut Deed,
) -> Result<Answer, ApiError> {
    let query = parts.uri.query().unwrap_or_default();
    let form = if body.is_empty() { query.as_bytes() } else { body };
    let call = Call::parse(form)
        .map_err(|error| ApiError::new("MalformedQueryString", 400, error.to_string()))?;
    let Some(operation) = Operation::named(&call.action) else {
        let message =
            format!("`Action` is `{}`: of IAM there are only {:?}", call.action, Operation::ALL);
        return Err(ApiError::new("InvalidAction", 400, message));
    };
    let form = Form(&call);
    let resource = resource_of(registry, operation, form).await?;
    deed.begin(authority, &[(format!("iam:{operation:?}"), resource)])?;
    let result = run(registry, operation, form).await?;
    Ok(Answer::xml(response(operation, request_id, |writer| result.write(writer))))
}

/// What policies name as the operation's resource.
async fn resource_of(
    registry: &Registry,
    operation: Operation,
    form: Form<'_>,
) -> Result<String, ApiError> {
    use Operation as O;
    let made = |kind: &str, name: &str| {
        let path = form.text("Path").unwrap_or("/");
        Ok(registry.account().iam(&format!("{kind}{path}{}", form.required(name)?)))
    };
    match operation {
        O::CreateRole => made("role", "RoleName"),
        O::CreatePolicy => made("policy", "PolicyName"),
        O::DeletePolicy | O::GetPolicy | O::GetPolicyVersion => {
            form.required("PolicyArn").map(str::to_owned)
        }
        O::ListPolicies | O::ListRoles => Ok("*".to_owned()),
        O::AttachRolePolicy
        | O::DeleteRole
        | O::DeleteRolePolicy
        | O::DetachRolePolicy
        | O::GetRole
        | O::GetRolePolicy
        | O::ListAttachedRolePolicies
        | O::ListRolePolicies
        | O::PutRolePolicy => registry.role_arn(form.required("RoleName")?).await,
    }
}

async fn run(
    registry: &Registry,
    operation: Operation,
    form: Form<'_>,
) -> Result<Outcome, ApiError> {
    use Operation as O;
    let role = || form.required("RoleName");
    let arn = || form.required("PolicyArn");
    let name = || form.required("PolicyName");
    match operation {
        O::CreateRole => {
            let role = registry.create_role(form.new_role()?).await?;
            return Ok(Outcome::Role(role));
        }
        O::GetRole => return Ok(Outcome::Role(registry.role(role()?).await?)),
        O::CreatePolicy => {
            let policy = registry.create_managed_policy(form.new_policy()?).await?;
            return Ok(Outcome::Policy(policy));
        }
        O::GetPolicy => return Ok(Outcome::Policy(registry.managed_policy(arn()?).await?)),
        O::GetPolicyVersion => {
            let policy = registry.managed_policy(arn()?).await?;
            let version = form.required("VersionId")?;
            if version != marram_aws::iam::ONLY_VERSION {
                let message = format!("Policy {} version {version} does not exist.", policy.arn);
                return Err(ApiError::new("NoSuchEntity", 404, message));
            }
            return Ok(Outcome::PolicyVersion(policy));
        }
        O::GetRolePolicy => return role_policy(registry, role()?, name()?).await,
        O::ListRoles => {
            let page = form.page()?;
            let roles = registry.roles(page.after, page.fetch()).await?;
            return Ok(page.cut(roles, Outcome::Roles, |role| &role.name));
        }
        O::ListPolicies => return list_policies(registry, form).await,
        O::ListRolePolicies => {
            let own = registry.role_policies(role()?).await?;
            return Ok(Outcome::Names(own.into_iter().map(|(name, _)| name).collect()));
        }
        O::ListAttachedRolePolicies => {
            return Ok(Outcome::Attached(registry.attached_role_policies(role()?).await?));
        }
        O::AttachRolePolicy => registry.attach_role_policy(role()?, arn()?).await?,
        O::DetachRolePolicy => registry.detach_role_policy(role()?, arn()?).await?,
        O::PutRolePolicy => {
            let document = form.required("PolicyDocument")?;
            registry.put_role_policy(role()?, name()?, document).await?;
        }
        O::DeleteRolePolicy => registry.delete_role_policy(role()?, name()?).await?,
        O::DeleteRole => registry.delete_role(role()?).await?,
        O::DeletePolicy => registry.delete_managed_policy(arn()?).await?,
    }
    Ok(Outcome::Nothing)
}

async fn role_policy(registry: &Registry, role: &str, name: &str) -> Result<Outcome, ApiError> {
    let own = registry.role_policies(role).await?;
    let (name, document) = own
        .into_iter()
        .find(|(other, _)| other == name)
        .ok_or_else(|| no_such_role_policy(role, name))?;
    Ok(Outcome::RolePolicy { role: role.to_owned(), name, document })
}

async fn list_policies(registry: &Registry, form: Form<'_>) -> Result<Outcome, ApiError> {
    let page = form.page()?;
    let policies = registry.managed_policies(page.after, page.fetch()).await?;
    let local = registry.account().iam("policy/");
    let shown = |policy: &Policy| match form.text("Scope") {
        Some("Local") => policy.arn.starts_with(&local),
        Some("AWS") => !policy.arn.starts_with(&local),
        _ => true,
    };
    let mut outcome = page.cut(policies, Outcome::Policies, |policy| &policy.name);
    if let Outcome::Policies(policies, _) = &mut outcome {
        policies.retain(shown);
    }
    Ok(outcome)
}

/// What an operation answers with.
enum Outcome {
    Nothing,
    Role(Role),
    Roles(Vec<Role>, Option<String>),
    Policy(Policy),
    PolicyVersion(Policy),
    Policies(Vec<Policy>, Option<String>),
    RolePolicy {
        role: String,
        name: String,
        document: String,
    },
    /// The names of a role's own policies.
    Names(Vec<String>),
    /// ARNs of managed policies.
    Attached(Vec<String>),
}

impl Outcome {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Nothing => {}
            Self::Role(role) => writer.element("Role", |inner| role.write(inner)),
            Self::Roles(roles, marker) => {
                write_page(writer, "Roles", roles, marker.as_deref(), Role::write);
            }
            Self::Policy(policy) => writer.element("Policy", |inner| policy.write(inner)),
            Self::PolicyVersion(policy) => {
                writer.element("PolicyVersion", |inner| policy.write_version(inner));
            }
            Self::Policies(policies, marker) => {
                write_page(writer, "Policies", policies, marker.as_deref(), Policy::write);
            }
            Self::RolePolicy { role, name, document } => {
                writer.text("RoleName", role);
                writer.text("PolicyName", name);
                write_document(writer, "PolicyDocument", document);
            }
            Self::Names(names) => {
                write_page(writer, "PolicyNames", names, None, |name, member| {
                    member.inner_text(name);
                });
            }
            Self::Attached(arns) => {
                write_page(writer, "AttachedPolicies", arns, None, |arn, member| {
                    member.text("PolicyName", arn.rsplit('/').next().unwrap_or_default());
                    member.text("PolicyArn", arn);
                });
            }
        }
    }
}

/// The parameters of a call.
#[derive(Clone, Copy)]
struct Form<'c>(&'c Call);

impl<'c> Form<'c> {
    fn text(self, name: &str) -> Option<&'c str> {
        let found = self.0.parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    fn required(self, name: &str) -> Result<&'c str, ApiError> {
        let value = self.text(name).ok_or_else(|| wrong(&format!("`{name}` is required")))?;
        match value.contains('\0') {
            true => Err(wrong(&format!("`{name}`: NUL is no character of a text"))),
            false => Ok(value),
        }
    }

    fn number(self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| wrong(&format!("`{name}` is `{text}`: give a number")))
    }

    fn described(self) -> Result<Option<String>, ApiError> {
        let Some(text) = self.text("Description") else { return Ok(None) };
        match text.chars().count() > 1000 || text.contains('\0') {
            true => Err(wrong("`Description` has more than 1000 characters, or NUL")),
            false => Ok(Some(text.to_owned())),
        }
    }

    fn new_role(self) -> Result<NewRole, ApiError> {
        Ok(NewRole {
            name: self.required("RoleName")?.to_owned(),
            path: self.text("Path").unwrap_or("/").to_owned(),
            trust: self.required("AssumeRolePolicyDocument")?.to_owned(),
            description: self.described()?,
            session_s: self.number("MaxSessionDuration")?,
        })
    }

    fn new_policy(self) -> Result<NewPolicy, ApiError> {
        Ok(NewPolicy {
            name: self.required("PolicyName")?.to_owned(),
            path: self.text("Path").unwrap_or("/").to_owned(),
            description: self.described()?,
            document: self.required("PolicyDocument")?.to_owned(),
        })
    }

    fn page(self) -> Result<Page<'c>, ApiError> {
        let items = self.number("MaxItems")?.unwrap_or(PAGE as i64);
        let size = usize::try_from(items).ok().filter(|size| (1..=LARGEST_PAGE).contains(size));
        let size =
            size.ok_or_else(|| wrong(&format!("`MaxItems` is {items}: use 1 to {LARGEST_PAGE}")))?;
        let after = match self.text("Marker") {
            Some(_) => self.required("Marker")?,
            None => "",
        };
        Ok(Page { after, size })
    }
}

/// A page of a list by name. Its marker is the last name that was given.
struct Page<'c> {
    after: &'c str,
    size: usize,
}

impl Page<'_> {
    /// One more than is shown, to know whether there is more.
    fn fetch(&self) -> usize {
        self.size + 1
    }

    fn cut<T>(
        &self,
        mut rows: Vec<T>,
        outcome: fn(Vec<T>, Option<String>) -> Outcome,
        name: fn(&T) -> &String,
    ) -> Outcome {
        let more = rows.len() > self.size;
        rows.truncate(self.size);
        let marker = rows.last().filter(|_| more).map(|row| name(row).clone());
        outcome(rows, marker)
    }
}

fn wrong(message: &str) -> ApiError {
    ApiError::invalid_request(message)
}
